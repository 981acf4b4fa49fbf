"""Does search find what people look for: judged searches over the sample library, asked on both engines."""

"""Facts for partners' systems over HTTP: who subscribes to which, and their delivery."""

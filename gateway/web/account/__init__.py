"""Pages for members: sign-in, account, own data, and what a link in a notice opens."""

"""Sign-in of people and programs: passwords, failed attempts, second factor, sessions, clients, one-time links."""

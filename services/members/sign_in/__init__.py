"""How people and programs sign in: passwords, attempts, second factor, sessions, clients, one-time secrets."""

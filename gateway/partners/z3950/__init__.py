"""Z39.50: the configuration of Simple2ZOOM, a server that searches by SRU (server.pl)."""

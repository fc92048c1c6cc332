"""`wscore demo`: an example chat application, and a conversation held with it over real sockets."""

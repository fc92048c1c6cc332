"""`wscore demo`: an example chat, and a conversation held with it over real sockets."""

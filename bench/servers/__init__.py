"""One tiny server per file: each echoes what it gets, with its library's own defaults.

Changed from the defaults are three things only: nothing is logged per connection, messages may be as large as the
largest that the benchmark sends, and the event loop is the one that the command line names. Each is started as
`python -m bench.servers.NAME PORT [ARGUMENTS]`.
"""

"""Other frameworks' WebSocket APIs, one module or package each.

Four are built on the connections, routing and rooms of `wscore.app`, and implement the rest of their API:

- `starlette`: an endpoint class, a route class and an exception.
- `apistar`: a connection class with its exceptions, route tables and event hooks.
- `apistellar`: decorators, controllers, the search of a module for handlers, and a JSON encoder.
- `robyn`: two generations of its API, with their own filling of parameters and order of messages.

`_http` holds the request's parts that apistar and apistellar inject. `seldom` is for tests: a blocking client in a
thread, which drives a `wscore.ClientConnection` with a socket and a selector, and a test case.
"""

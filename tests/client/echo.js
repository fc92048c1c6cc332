// An echo with Node's `ws`, on a socket that is listening: `node echo.js FD`. It does what `echoing.py` does on ASGI servers.
const http = require("http");
const { WebSocketServer } = require("ws");

const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: true });
const server = http.createServer();

server.on("upgrade", (request, socket, head) => {
  if (request.url === "/refused") {
    socket.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    return;
  }
  sockets.handleUpgrade(request, socket, head, (ws) => {
    if (request.url === "/closed") {
      ws.close(4001, "bye");
      return;
    }
    ws.on("message", (data, isBinary) => ws.send(data, { binary: isBinary }));
  });
});
server.listen({ fd: Number(process.argv[2]) });

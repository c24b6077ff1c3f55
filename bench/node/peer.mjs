// A room relay on socket.io, as its documentation would write one: what a server must do at the least to be compared.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { perMessageDeflate: false });
const lastIds = new Map();

io.on("connection", (socket) => {
  socket.on("join", async (room, ack) => {
    await socket.join(room);
    socket.data.room = room;
    ack({});
  });
  socket.on("send_message", (message, ack) => {
    const { room } = socket.data;
    const id = (lastIds.get(room) ?? 0) + 1;
    lastIds.set(room, id);
    io.to(room).emit("get_message", { id, member: socket.id, message });
    ack({ id });
  });
});

http.listen(Number(process.argv[2] ?? 0), "127.0.0.1", 4096, () => {
  console.log(`http://127.0.0.1:${http.address().port}`);
});
process.on("SIGTERM", () => process.exit(0));

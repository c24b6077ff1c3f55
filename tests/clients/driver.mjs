// Knows how many connections of the official socket.io-client are driven from outside, wherever it runs: what it is
// told to do with one of them, and what it tells of it. Refuses to know what the words mean.
//
// Told: [connection, command, ...]. Tells: [connection, namespace, event, ...arguments], with the namespace "" for what
// concerns the connection itself. Bytes travel as {"$bytes": base64}, both ways.

/** @typedef {import("socket.io-client").Socket} Socket */
/** @typedef {(connection: number, namespace: string, event: string, ...args: unknown[]) => void} Tell */

const RECONNECTION = { reconnectionDelay: 50, reconnectionDelayMax: 100, forceNew: true };

/** @param {ArrayBuffer | ArrayBufferView} bytes */
const base64 = (bytes) => {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(bytes) ? bytes : new Uint8Array(bytes);
  return btoa(String.fromCharCode(...new Uint8Array(buffer, byteOffset, byteLength)));
};

/** @type {(value: any) => any} */
const pack = (value) => {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) return { $bytes: base64(value) };
  if (Array.isArray(value)) return value.map(pack);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, pack(inner)]));
};

/** @type {(value: any) => any} */
const unpack = (value) => {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(unpack);
  if ("$bytes" in value) return Uint8Array.from(atob(value.$bytes), (character) => character.charCodeAt(0));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, unpack(inner)]));
};

/**
 * @param {typeof import("socket.io-client").io} io
 * @param {Tell} tell
 */
export const drive = (io, tell) => {
  /** @type {Map<number, Map<string, Socket>>} */
  const connections = new Map();

  /** @type {(connection: number, namespace: string) => Socket} */
  const find = (connection, namespace) => /** @type {Socket} */ (connections.get(connection)?.get(namespace));

  /** @type {(connection: number, socket: Socket) => void} */
  const listenToManager = (connection, { io: manager }) => {
    manager.on("open", () => {
      const engine = /** @type {any} */ (manager.engine);
      tell(connection, "", "open", engine.transport.name);
      engine.on("upgrade", (/** @type {{ name: string }} */ { name }) => tell(connection, "", "upgrade", name));
      engine.on("upgradeError", (/** @type {Error} */ { message }) => tell(connection, "", "upgradeError", message));
    });
    manager.on("ping", () => tell(connection, "", "ping"));
  };

  /** @type {(connection: number, namespace: string, socket: Socket) => void} */
  const listen = (connection, namespace, socket) => {
    socket.on("connect", () => tell(connection, namespace, "connect", socket.id));
    socket.on("connect_error", ({ message }) => tell(connection, namespace, "connect_error", message));
    socket.on("disconnect", (reason) => tell(connection, namespace, "disconnect", reason));
    socket.onAny((event, ...args) => {
      const acknowledge = typeof args.at(-1) === "function" ? args.pop() : undefined;
      tell(connection, namespace, event, ...pack(args));
      acknowledge?.(...args);
    });
  };

  /** @type {Record<string, (connection: number, ...args: any[]) => void>} */
  const commands = {
    open(connection, url, namespaces, auth, options) {
      /** @type {Map<string, Socket>} */
      const sockets = new Map();
      connections.set(connection, sockets);
      for (const namespace of namespaces) {
        const [first] = sockets.values();
        const socket = first === undefined
          ? io(url + namespace, { ...RECONNECTION, ...options, auth })
          : first.io.socket(namespace, { auth });
        sockets.set(namespace, socket);
        listen(connection, namespace, socket);
        if (first === undefined) listenToManager(connection, socket);
        socket.connect();
      }
    },
    emit(connection, namespace, event, args) {
      find(connection, namespace).emit(event, ...unpack(args));
    },
    // Numbers, one after the other, `pause` milliseconds apart.
    flood(connection, namespace, event, total, pause) {
      let number = 0;
      const timer = setInterval(() => {
        find(connection, namespace).emit(event, number++);
        if (number < total) return;
        clearInterval(timer);
        tell(connection, "", "flooded");
      }, pause);
    },
    call(connection, number, namespace, milliseconds, event, args) {
      const socket = find(connection, namespace);
      /** @type {(error: Error | null, ...answer: unknown[]) => void} */
      const answered = (error, ...answer) =>
        tell(connection, "", "answer", number, error === null ? pack(answer) : null);
      if (socket.timeout !== undefined) {
        socket.timeout(milliseconds).emit(event, ...unpack(args), answered);
        return;
      }
      // Clients before 4.4 leave the timeout to who uses them.
      let over = false;
      const timer = setTimeout(() => {
        over = true;
        answered(new Error("no answer"));
      }, milliseconds);
      socket.emit(event, ...unpack(args), (/** @type {unknown[]} */ ...answer) => {
        clearTimeout(timer);
        if (!over) answered(null, ...answer);
      });
    },
    transport(connection, number) {
      const engine = /** @type {any} */ (find(connection, "/").io.engine);
      tell(connection, "", "answer", number, [engine.transport.name]);
    },
    leave(connection) {
      for (const socket of connections.get(connection)?.values() ?? []) socket.disconnect();
    },
  };

  /** @type {(message: [number, string, ...unknown[]]) => void} */
  return ([connection, command, ...args]) => commands[command](connection, ...args);
};

/**
 * A Moleculer transporter over a Unix socket in the data folder: the started process is the hub, others of the same user
 * (the REPL) join it as leaves. It is no broker: without a leaf the hub serialises and sends nothing.
 */
import { once } from 'node:events';
import { chmod, lstat, mkdir, realpath, rename, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Packet, type Transit, Transporters } from 'moleculer';
import { chooseSocketDir } from '../database/embedded/index.ts';
import { makeFolder } from '../runtime/index.ts';

const SOCKET = 'repl.sock';
const HELLO = ''; // the topic of a leaf's first frame, whose data is its node id
const HEADER = 6; // bytes: the body's length (4), how much of it the topic takes (2); the body is the topic and the data
const LONGEST_BODY = 64 * 1024 * 1024;
const LONGEST_BACKLOG = 2 * LONGEST_BODY; // bytes that a leaf may leave unread before it is dropped
const PATIENCE = 1000; // ms; the process that listens may have been killed a moment ago

type Init = Parameters<Transporters.Base['init']>;
type AnyPacket = Packet.Packet<Packet.PacketPayload>;
type OnFrame = (topic: string, data: Buffer) => void;

/** What both ends do with topics and frames. */
abstract class UnixSocketTransporter extends Transporters.Base {
	protected readonly dataDir: string;
	readonly #commands = new Map<string, string>();

	constructor(dataDir: string) {
		super();
		this.dataDir = dataDir;
	}

	override init(...[transit, ...handlers]: Init): void {
		super.init(transit, ...handlers);
		this.broker.registry.discoverer.disableHeartbeat(); // a socket tells at once when its other end is gone
	}

	override async subscribe(command: string, nodeID?: string): Promise<void> {
		this.#commands.set(this.getTopicName(command, nodeID), command);
	}

	override async subscribeBalancedRequest(): Promise<void> {} // Moleculer's own balancer is used, here and below

	override async subscribeBalancedEvent(): Promise<void> {}

	/** Hands a frame to this process's broker, unless it is for another one. */
	protected deliver(topic: string, data: Buffer): void {
		const command = this.#commands.get(topic);
		if (command !== undefined) void this.receive(command, data);
	}

	/** Whether a frame is for this process's broker only. */
	protected isOwn(topic: string): boolean {
		const command = this.#commands.get(topic);
		return command !== undefined && topic !== this.getTopicName(command);
	}

	/** Takes a node that can no longer be reached out of the registry; calls that wait for it fail now. */
	protected remove(nodeID: string): void {
		const { discoverer, nodes } = this.broker.registry;
		discoverer.remoteNodeDisconnected(nodeID, false);
		nodes.delete(nodeID);
	}
}

/** The end that listens. The broker can be started without; `open` lets leaves in, once there is something to join. */
export class UnixSocketHub extends UnixSocketTransporter {
	readonly #connections = new Set<Connection>();
	readonly #leaves = new Map<string, Connection>();
	#server: Server | undefined;
	#path = '';

	override init(...[transit, ...handlers]: Init): void {
		super.init(transit, ...handlers);
		// Moleculer's own goes on to wait half a second for the nodes that were there before: there are none.
		transit.connect = () => this.connect();
	}

	override async connect(): Promise<void> {
		await this.transit.makeSubscriptions();
		this.connected = true;
		Object.assign(this.transit, { connected: true, isReady: true } satisfies Partial<Transit>);
		this.broker.broadcastLocal('$transporter.connected', { wasReconnect: false });
	}

	/** Listens. A socket that a killed process left is replaced; rejects if there is a live one. */
	async open(): Promise<void> {
		await makeFolder(this.dataDir);
		const path = await socketPath(this.dataDir, { create: true });
		const deadline = performance.now() + PATIENCE;
		while (await answers(path)) {
			if (performance.now() > deadline) throw new Error(`another process listens on ${path}`);
			await sleep(50);
		}
		const draft = `${path}.new`; // no other user may see the socket before its mode is right
		await rm(draft, { force: true });
		const server = createServer((socket) => this.#accept(socket));
		this.#server = server;
		server.listen(draft);
		await once(server, 'listening');
		await chmod(draft, 0o600);
		await rename(draft, path);
		this.#path = path;
	}

	override async disconnect(): Promise<void> {
		this.connected = false;
		const server = this.#server;
		this.#server = undefined;
		if (this.#path !== '') await rm(this.#path, { force: true }); // first: once closed, the name may be another's
		this.#path = '';
		const closed = server?.listening ? once(server, 'close') : undefined;
		server?.close();
		for (const connection of this.#connections) connection.close();
		await closed;
	}

	override async publish(packet: AnyPacket): Promise<void> {
		const { target } = packet;
		if (target ? this.#leaves.has(target) : this.#leaves.size > 0) return super.publish(packet);
		if (packet.type === 'REQ') throw new Error(`${target} has gone away`); // otherwise its caller would wait in vain
	}

	override async send(topic: string, data: Buffer, { packet }: { packet: AnyPacket }): Promise<void> {
		const frame = encode(topic, data);
		if (packet.target) this.#leaves.get(packet.target)?.send(frame);
		else for (const leaf of this.#leaves.values()) leaf.send(frame);
	}

	#accept(socket: Socket): void {
		let nodeID: string | undefined;
		const connection = new Connection(socket, (topic, data) => {
			if (nodeID !== undefined) return this.#take(connection, topic, data);
			const name = data.toString();
			if (topic !== HELLO || name === this.nodeID || this.#leaves.has(name)) return connection.close();
			nodeID = name;
			this.#leaves.set(name, connection);
		});
		this.#connections.add(connection);
		socket.once('close', () => {
			this.#connections.delete(connection);
			if (nodeID === undefined) return;
			this.#leaves.delete(nodeID);
			this.remove(nodeID);
		});
	}

	#take(from: Connection, topic: string, data: Buffer): void {
		if (!this.isOwn(topic)) {
			const frame = encode(topic, data);
			for (const leaf of this.#leaves.values()) if (leaf !== from) leaf.send(frame);
		}
		this.deliver(topic, data);
	}
}

/** The end that joins. It never reconnects: without the system it has nothing to do. */
export class UnixSocketLeaf extends UnixSocketTransporter {
	readonly #onLost: () => void;
	#connection: Connection | undefined;

	/** `onLost` is called once if the hub goes away, when the calls that waited for it have been failed. */
	constructor(dataDir: string, onLost: () => void) {
		super(dataDir);
		this.#onLost = onLost;
	}

	/** Connects, before the broker is started; rejects, with one line that says why, if nothing listens. */
	async open(): Promise<void> {
		const path = await socketPath(this.dataDir, { create: false });
		const socket = connect(path);
		await once(socket, 'connect').catch((error: NodeJS.ErrnoException) => {
			throw isAbsence(error) ? new Error(`nothing listens on ${path}`) : error;
		});
		this.#connection = new Connection(socket, (topic, data) => this.deliver(topic, data));
		socket.once('close', () => this.#lose());
	}

	override async connect(): Promise<void> {
		this.#connection?.send(encode(HELLO, Buffer.from(this.nodeID)));
		await this.onConnected(false);
		await this.broker.registry.discoverer.sendLocalNodeInfo(); // without services or heartbeats nothing else does
	}

	override async disconnect(): Promise<void> {
		this.connected = false;
		const connection = this.#connection;
		this.#connection = undefined;
		connection?.close();
	}

	override async send(topic: string, data: Buffer): Promise<void> {
		this.#connection?.send(encode(topic, data));
	}

	#lose(): void {
		if (this.#connection === undefined) return;
		this.#connection = undefined;
		this.connected = false;
		for (const { id, local } of this.broker.registry.nodes.toArray()) if (!local) this.remove(id);
		this.#onLost();
	}
}

/** One socket's frames. */
class Connection {
	readonly #socket: Socket;
	readonly #onFrame: OnFrame;
	#header: Buffer | undefined;

	constructor(socket: Socket, onFrame: OnFrame) {
		this.#socket = socket;
		this.#onFrame = onFrame;
		socket.on('readable', () => this.#read());
		socket.on('error', () => {}); // 'close' follows
	}

	send(frame: Buffer): void {
		if (this.#socket.destroyed) return;
		this.#socket.write(frame);
		if (this.#socket.writableLength > LONGEST_BACKLOG) this.close(); // the other end has stopped reading
	}

	/** What has been sent is in the kernel's hands already, unless the other end does not read. */
	close(): void {
		this.#socket.destroy();
	}

	/** Each frame as soon as all of it is there. At the end of the stream `read` returns less than it is asked for. */
	#read(): void {
		const socket = this.#socket;
		while (!socket.destroyed) {
			this.#header ??= socket.read(HEADER) ?? undefined;
			if (this.#header === undefined) return;
			const length = this.#header.length < HEADER ? 0 : this.#header.readUInt32BE(0);
			const topicLength = length === 0 ? 0 : this.#header.readUInt16BE(4);
			const isFrame = length > 0 && length <= LONGEST_BODY && topicLength <= length;
			const body: Buffer | null = isFrame ? socket.read(length) : this.#header;
			if (body === null) return;
			this.#header = undefined;
			if (isFrame && body.length === length)
				this.#onFrame(body.toString('utf8', 0, topicLength), body.subarray(topicLength));
			else this.close();
		}
	}
}

function encode(topic: string, data: Buffer): Buffer {
	const name = Buffer.from(topic);
	const length = name.length + data.length;
	if (length > LONGEST_BODY) throw new RangeError(`${length} bytes are too many for one message to or from the REPL`);
	const header = Buffer.alloc(HEADER);
	header.writeUInt32BE(length, 0);
	header.writeUInt16BE(name.length, 4);
	return Buffer.concat([header, name, data]);
}

/** The socket's path: in the data folder or, where that is too long for a socket's address, in one derived from it. */
async function socketPath(dataDir: string, { create }: { create: boolean }): Promise<string> {
	const own = join(await realpath(dataDir).catch(() => resolve(dataDir)), 'repl');
	const folder = chooseSocketDir(own);
	const path = join(folder.startsWith(own) ? dirname(own) : folder, SOCKET);
	if (folder.startsWith(own)) return path;
	if (create) await mkdir(folder, { recursive: true, mode: 0o700 });
	const found = await lstat(folder).catch(() => undefined); // in a shared /tmp another user may have made it first
	if (found && (!found.isDirectory() || found.uid !== process.getuid?.())) {
		throw new Error(`${folder} is not a folder of our own`);
	}
	if (create) await chmod(folder, 0o700);
	return path;
}

async function answers(path: string): Promise<boolean> {
	const socket = connect(path);
	try {
		await once(socket, 'connect');
		return true;
	} catch (error) {
		if (isAbsence(error as NodeJS.ErrnoException)) return false;
		throw error;
	} finally {
		socket.destroy();
	}
}

const isAbsence = ({ code }: NodeJS.ErrnoException): boolean => code === 'ENOENT' || code === 'ECONNREFUSED';

export { Busy, CALL_POLICIES, CallTooLate, NO_POLICY, READ_POLICY } from './call-policies.ts';
export { drainFirst } from './drain-first.ts';
export { alone, amongOthers, type Node, type Surroundings } from './node.ts';
export { NodeSlot } from './node-slot.ts';
export { isInTime, OnceInTime } from './once-in-time.ts';
export { OneDatabase } from './one-database.ts';
export { TransporterLink } from './transporter-watchdog.ts';
export { UnixSocketLeaf } from './unix-socket-transporter.ts';

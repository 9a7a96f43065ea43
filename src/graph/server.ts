/**
 * TensorFlow's server of this process, a worker of a cluster: sessions with its target can exchange tensors with those of the
 * other workers (collectives.ts). The server runs any graph for anyone who can connect to it, and connections are not
 * encrypted. Messages: tensorflow/core/protobuf/{tensorflow_server,cluster}.proto.
 */
import { bytes, concat, message, string, varint } from '../io/protobuf.js';
import { configProto, type SessionConfig } from './session-config.js';
import { nativeSessions } from './tensorflow.js';

/** Workers of a cluster, and which one this process is. */
export interface Members {
  /** host:port of each worker. */
  addresses: readonly string[];
  /** Index of this process. */
  index: number;
}

/**
 * Starts the server, at most once in a process and after custom ops are loaded; it ends with the process.
 * @param listen the only IPv4 address on which it accepts connections; undefined: all addresses of this machine
 * @returns options of sessions on this server; undefined when it cannot be kept to one address on this system
 * @throws Error when it cannot listen
 */
export function startServer(
  { addresses, index }: Members,
  { listen, ...config }: SessionConfig & { listen?: string },
): (SessionConfig & { target: string }) | undefined {
  const session = { ...config, worker: index };
  const tasks = addresses.map((address, task) => message(2, varint(1, task), string(2, address)));
  const definition = concat(
    message(1, message(1, string(1, 'worker'), tasks)),
    string(2, 'worker'),
    varint(3, index),
    bytes(4, configProto(session)),
    string(5, 'grpc'),
  );
  try {
    return { ...session, target: nativeSessions().serve(definition.finish(), listen ?? '') };
  } catch (error) {
    if ((error as { code?: unknown }).code === 'UNIMPLEMENTED') return undefined;
    throw error;
  }
}

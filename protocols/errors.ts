/** One error type with a closed set of codes. Callers switch on `code`; people read the message. */
export type MeshErrorCode =
  | 'WIRE_INVALID' // bytes that are not a message of this plane
  | 'WIRE_LIMIT' // a bound was exceeded
  | 'WIRE_VERSION' // a major version this peer does not speak
  | 'CERT_INVALID' // certificate or delegation does not check out
  | 'CLOCK_SKEW' // the two PCs' clocks differ by more than certificates allow
  | 'INVITE_INVALID' // malformed, forged, expired, used up
  | 'NOT_MEMBER' // the caller is no member of this mesh
  | 'DENIED' // known caller, not allowed
  | 'DEADLINE' // no answer in time
  | 'PEER_UNREACHABLE' // no link to that peer
  | 'NO_CANDIDATE' // no peer can take the work now
  | 'UNKNOWN_SESSION'
  | 'UNKNOWN_NODE'
  | 'BAD_REQUEST' // the request itself is wrong; the message says which part
  | 'BUSY' // a bounded queue is full; try later
  | 'STORE_FAILED' // disk refused: full, corrupt, read-only
  | 'STORE_LOCKED' // another peer uses the data folder
  | 'PORT_TAKEN'
  | 'HOST_FAILED' // sessiond or the OS refused
  | 'TOO_LARGE'
  | 'NOT_ACTIVE' // the peer has no mesh yet, or is leaving it

export class MeshError extends Error {
  override readonly name = 'MeshError'
  readonly code: MeshErrorCode
  constructor(code: MeshErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

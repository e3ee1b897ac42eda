/** Real peers on a LAN of their own, for the tests in tests/mesh and tests/browser. */
export { namespacesMissing } from './lan.ts'
export { Mesh, startMesh } from './mesh.ts'
export type { MeshOptions } from './mesh.ts'
export { Peer } from './peer.ts'
export type { OmegaOptions, PeerOptions } from './peer.ts'
export { Running } from './running.ts'
export type { Ended } from './running.ts'
export { until } from './until.ts'

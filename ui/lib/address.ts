/** An address as people write it: "/ip4/192.168.1.20/tcp/7777" is 192.168.1.20:7777. What is not known stays as it is. */
export function addressText(address: string): string {
  const [, family, host, transport, port] = address.split('/')
  if (transport !== 'tcp' || host === undefined || port === undefined) return address
  if (family === 'ip6') return `[${host}]:${port}`
  return family === 'ip4' || family?.startsWith('dns') ? `${host}:${port}` : address
}

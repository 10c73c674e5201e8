//! netlink(7), as much as getifaddrs(3) and getaddrinfo(3) ask: which interfaces and addresses there are. There is one interface, `lo`.

use crate::errno::Errno;

/// Types of rtnetlink(7) messages.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
/// NLM_F_MULTI, NLM_F_ACK, NLM_F_DUMP.
const MULTI: u16 = 2;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;

const HEADER: usize = 16;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// One message.
fn message(ty: u16, flags: u16, sequence: u32, port: u32, body: &[u8]) -> Vec<u8> {
    let len = (HEADER + body.len()) as u32;
    let mut bytes = [&len.to_le_bytes()[..], &ty.to_le_bytes(), &flags.to_le_bytes(), &sequence.to_le_bytes()].concat();
    bytes.extend(port.to_le_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A `struct rtattr`.
fn attribute(ty: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = [&((4 + value.len()) as u16).to_le_bytes()[..], &ty.to_le_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `struct ifinfomsg` of lo, and what it is: IFLA_ADDRESS, IFLA_BROADCAST, IFLA_IFNAME, IFLA_MTU, IFLA_TXQLEN, IFLA_OPERSTATE.
fn link() -> Vec<u8> {
    const LOOPBACK_TYPE: u16 = 772;
    /// IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_LOWER_UP.
    const FLAGS: u32 = 0x1_0049;
    let mut body = vec![AF_UNSPEC, 0];
    body.extend(LOOPBACK_TYPE.to_le_bytes());
    body.extend(1u32.to_le_bytes());
    body.extend(FLAGS.to_le_bytes());
    body.extend(0u32.to_le_bytes());
    body.extend(attribute(3, b"lo\0"));
    body.extend(attribute(13, &1000u32.to_le_bytes()));
    body.extend(attribute(16, &[0]));
    body.extend(attribute(4, &65536u32.to_le_bytes()));
    body.extend(attribute(1, &[0; 6]));
    body.extend(attribute(2, &[0; 6]));
    body
}

/// `struct ifaddrmsg` of an address of lo: IFA_ADDRESS, IFA_LOCAL, IFA_LABEL, IFA_FLAGS.
fn address(family: u8) -> Vec<u8> {
    const PERMANENT: u8 = 0x80;
    const HOST_SCOPE: u8 = 254;
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let (prefix, ip): (u8, &[u8]) = if family == AF_INET { (8, &[127, 0, 0, 1]) } else { (128, &loopback) };
    let mut body = vec![family, prefix, PERMANENT, HOST_SCOPE];
    body.extend(1u32.to_le_bytes());
    body.extend(attribute(1, ip));
    if family == AF_INET {
        body.extend(attribute(2, ip));
        body.extend(attribute(3, b"lo\0"));
    }
    body.extend(attribute(8, &u32::from(PERMANENT).to_le_bytes()));
    body
}

/// What comes back for what was sent: datagrams, each of one or more messages. `port`: the socket's own.
pub fn answer(request: &[u8], port: u32) -> Vec<Vec<u8>> {
    let Some(header) = request.get(..HEADER) else { return Vec::new() };
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let sequence = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    let (ty, flags) = (half(4), half(6));
    let family = request.get(HEADER).copied().unwrap_or(AF_UNSPEC);
    let part = |ty, body: &[u8]| message(ty, MULTI, sequence, port, body);
    let done = || message(NLMSG_DONE, MULTI, sequence, port, &[0; 4]);
    let error = |errno: u64| {
        let code = (errno as i32).wrapping_neg().to_le_bytes();
        vec![message(NLMSG_ERROR, 0, sequence, port, &[&code[..], header].concat())]
    };
    match ty {
        RTM_GETLINK if flags & DUMP != 0 => vec![part(RTM_NEWLINK, &link()), done()],
        RTM_GETLINK => vec![message(RTM_NEWLINK, 0, sequence, port, &link())],
        RTM_GETADDR => {
            let families = [AF_INET, AF_INET6].into_iter().filter(|&each| family == AF_UNSPEC || family == each);
            let addresses: Vec<u8> = families.flat_map(|each| part(RTM_NEWADDR, &address(each))).collect();
            vec![addresses, done()].into_iter().filter(|datagram| !datagram.is_empty()).collect()
        }
        RTM_GETROUTE if flags & DUMP != 0 => vec![done()],
        // Nothing can be changed, as without CAP_NET_ADMIN.
        _ if ty >= RTM_NEWLINK => error(Errno::EPERM.number()),
        _ if flags & ACK != 0 => error(0),
        _ => Vec::new(),
    }
}

//! Short forms: what compose files write as one text.

use super::types::{PortEntry, VolumeEntry, VolumeKind};
use crate::model::{Port, Protocol, Published};

/// Milliseconds of a duration such as `1m30s` (compose-spec 11, "Specifying durations").
pub fn duration(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut nanos = 0.0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        nanos += number
            * match &rest[..unit] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Some((nanos / 1e6).round() as u64)
}

/// Bytes of a size such as `64m` (compose-spec 11, "Specifying byte values"); units are powers of 1024.
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as u64)
}

/// The ports of `[[IP:]HOST:]CONTAINER[/PROTOCOL]`, of which each port may be a range.
pub fn ports(text: &str) -> Result<Vec<Port>, String> {
    let invalid = |why: &str| format!("invalid port {text:?}: {why}");
    let (addresses, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = Protocol::from_name(protocol).ok_or_else(|| invalid("the protocol is tcp, udp or sctp"))?;
    let (rest, container) = match addresses.rsplit_once(':') {
        Some((rest, container)) => (Some(rest), container),
        None => (None, addresses),
    };
    let container = range(container).ok_or_else(|| invalid("a port is a number from 1 to 65535, or a range of such"))?;
    let port = |port, published| Port { port, protocol, published, ..Port::default() };
    let Some(rest) = rest else { return Ok((container.0..=container.1).map(|number| port(number, None)).collect()) };
    let (ip, host) = match rest.rsplit_once(':') {
        Some((ip, host)) => (Some(ip.trim_matches(['[', ']']).to_owned()).filter(|ip| !ip.is_empty()), host),
        None => (None, rest),
    };
    if ip.as_deref().is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
        return Err(invalid("the address is none of IPv4 or IPv6"));
    }
    if host.is_empty() {
        let published = Published { ip, ..Published::default() };
        return Ok((container.0..=container.1).map(|number| port(number, Some(published.clone()))).collect());
    }
    let host = range(host).ok_or_else(|| invalid("a port is a number from 1 to 65535, or a range of such"))?;
    let (hosts, containers) = (host.1 - host.0, container.1 - container.0);
    if containers == 0 && hosts > 0 {
        let published = Published { ip, port: Some(host.0), last_port: Some(host.1), mode: None };
        return Ok(vec![port(container.0, Some(published))]);
    }
    if hosts != containers {
        return Err(invalid("the ranges differ in length"));
    }
    let published = |offset| Published { ip: ip.clone(), port: Some(host.0 + offset), ..Published::default() };
    Ok((0..=containers).map(|offset| port(container.0 + offset, Some(published(offset)))).collect())
}

/// `80` or `80-90`
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    match text.split_once('-') {
        Some((first, last)) => Some((number(first)?, number(last)?)).filter(|(first, last)| first <= last),
        None => number(text).map(|port| (port, port)),
    }
}

/// The ports of the long form.
pub fn long_port(entry: &PortEntry) -> Result<Vec<Port>, String> {
    let ip = entry.host_ip.as_deref().map(|ip| if ip.contains(':') { format!("[{ip}]:") } else { format!("{ip}:") });
    let host = match (&entry.published, &ip) {
        (Some(published), ip) => format!("{}{published}:", ip.as_deref().unwrap_or_default()),
        (None, Some(ip)) => format!("{ip}:"),
        (None, None) => String::new(),
    };
    let protocol = entry.protocol.as_deref().unwrap_or("tcp");
    let mut ports = ports(&format!("{host}{}/{protocol}", entry.target))?;
    for port in &mut ports {
        port.name = entry.name.clone();
        port.app_protocol = entry.app_protocol.clone();
        if let (Some(mode), "host") = (&entry.mode, entry.mode.as_deref().unwrap_or_default()) {
            port.published.get_or_insert_default().mode = Some(mode.clone());
        }
    }
    Ok(ports)
}

/// `[SOURCE:]TARGET[:OPTIONS]`
pub fn volume(text: &str) -> Result<VolumeEntry, String> {
    let invalid = |why: &str| format!("invalid volume {text:?}: {why}");
    // A drive of Windows is no separator.
    let drive =
        text.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && text.get(1..3).is_some_and(|s| s == ":\\" || s == ":/");
    let mut parts: Vec<&str> = if drive { text[2..].splitn(3, ':').collect() } else { text.splitn(3, ':').collect() };
    if drive {
        parts[0] = &text[..2 + parts[0].len()];
    }
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(invalid("empty")),
    };
    if target.is_empty() || source == Some("") {
        return Err(invalid("an empty path"));
    }
    if !target.starts_with('/') {
        return Err(invalid("the target is no absolute path"));
    }
    let is_path = |source: &str| source.starts_with(['.', '/', '~', '\\']) || drive;
    let mut entry = VolumeEntry {
        kind: if source.is_some_and(is_path) { VolumeKind::Bind } else { VolumeKind::Volume },
        source: source.map(str::to_owned),
        target: Some(target.to_owned()),
        ..VolumeEntry::default()
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            "ro" => entry.read_only = Some(true),
            "nocopy" => entry.volume.get_or_insert_default().nocopy = Some(true),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                entry.bind.get_or_insert_default().propagation = Some(option.to_owned());
            }
            _ => return Err(invalid("an option that does not exist")),
        }
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        let cases = [("1m30s", 90_000), ("10s", 10_000), ("1.5s", 1500), ("500ms", 500), ("1h", 3_600_000), ("0s", 0)];
        for (text, expected) in cases {
            assert_eq!(duration(text), Some(expected), "{text}");
        }
        assert!(["", "5", "s", "5x", "1.2.3s"].iter().all(|text| duration(text).is_none()));
        for (text, expected) in [("2b", 2), ("1024kb", 1 << 20), ("300m", 300 << 20), ("1gb", 1 << 30), ("1.5k", 1536), ("7", 7)]
        {
            assert_eq!(size(text), Some(expected), "{text}");
        }
        assert!(["", "m", "5x"].iter().all(|text| size(text).is_none()));
    }

    #[test]
    fn port_forms() {
        let shown = |text: &str| {
            let show = |port: &Port| match &port.published {
                None => format!("{}", port.port),
                Some(p) => format!("{}:{:?}-{:?}:{}", p.ip.as_deref().unwrap_or("*"), p.port, p.last_port, port.port),
            };
            ports(text).map(|ports| ports.iter().map(show).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(shown("3000").as_deref(), Ok("3000"));
        assert_eq!(shown("3000-3002").as_deref(), Ok("3000 3001 3002"));
        assert_eq!(shown("8000:80").as_deref(), Ok("*:Some(8000)-None:80"));
        assert_eq!(shown("9090-9091:8080-8081").as_deref(), Ok("*:Some(9090)-None:8080 *:Some(9091)-None:8081"));
        assert_eq!(shown("127.0.0.1::53/udp").as_deref(), Ok("127.0.0.1:None-None:53"));
        assert_eq!(shown("[::1]:6000:60").as_deref(), Ok("::1:Some(6000)-None:60"));
        assert_eq!(shown("6000-6005:80").as_deref(), Ok("*:Some(6000)-Some(6005):80"));
        for bad in ["", "0", "70000", "a:80", "80-70", "1-3:1-2", "80/icmp", "1.2.3:80:80"] {
            assert!(ports(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn volume_forms() {
        let kind = |text| volume(text).map(|entry| (entry.kind, entry.source, entry.read_only));
        assert_eq!(kind("/data"), Ok((VolumeKind::Volume, None, None)));
        assert_eq!(kind("db:/data:ro"), Ok((VolumeKind::Volume, Some("db".into()), Some(true))));
        assert_eq!(kind("./x:/data:Z,rw"), Ok((VolumeKind::Bind, Some("./x".into()), None)));
        assert_eq!(kind("C:\\x:/data"), Ok((VolumeKind::Bind, Some("C:\\x".into()), None)));
        for bad in ["", "a:", ":/b", "a:b", "a:/b:bogus"] {
            assert!(volume(bad).is_err(), "{bad}");
        }
    }
}

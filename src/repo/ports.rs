//! Which ports an agent's servers get.

use std::net::{Ipv4Addr, TcpListener};

use sha2::{Digest, Sha256};

use crate::model::SessionId;

/// Ports an agent has for its servers.
const PORTS: u16 = 10;
/// Above what services use, below what systems hand out by themselves.
const FIRST_PORT: u16 = 20_000;
const PORT_RANGES: u16 = 1_200;

/// The first of ten ports that are free now; by session and agent, so that others look elsewhere first.
pub(super) fn port_range(session: &SessionId, agent: u32) -> u16 {
    let digest = Sha256::digest(format!("{session}/{agent}"));
    let first = digest.iter().take(2).fold(0_u16, |n, b| {
        n.wrapping_mul(256).wrapping_add(u16::from(*b))
    });
    let range = |n: u16| FIRST_PORT + (first.wrapping_add(n) % PORT_RANGES) * PORTS;
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..PORT_RANGES)
        .map(range)
        .find(|base| (*base..*base + PORTS).all(free))
        .unwrap_or_else(|| range(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_ten_free_ones_and_differ_between_agents() {
        let session: SessionId = "session-abc234".parse().expect("a name");
        let (one, two) = (port_range(&session, 1), port_range(&session, 2));
        assert_ne!(one, two);
        assert!((20_000..32_000).contains(&one) && one % 10 == 0);
        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, one + 3)).expect("a free port");
        assert_ne!(port_range(&session, 1), one);
    }
}

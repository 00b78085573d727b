//! Who may knock at port 22: one rule a device, for the address that it has now. Pure: the rules that are
//! there and what is wanted give what to add and what to take away, of this device's own alone.

use std::net::IpAddr;

use super::tags::rfc3339;
use crate::model::Millis;

/// A range of addresses in the form that EC2 writes: `203.0.113.7/32`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr(String);

impl Cidr {
    /// One address alone.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(a) => Self(format!("{a}/32")),
            IpAddr::V6(a) => Self(format!("{a}/128")),
        }
    }

    /// `203.0.113.0/24`, or one address; the bits beyond its length are cleared, as EC2 does.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text.trim(), None),
        };
        match address.parse().ok()? {
            IpAddr::V4(a) => {
                let length = length.unwrap_or(32);
                let mask = mask(length, 32)? as u32;
                let base = std::net::Ipv4Addr::from(u32::from(a) & mask);
                Some(Self(format!("{base}/{length}")))
            }
            IpAddr::V6(a) => {
                let length = length.unwrap_or(128);
                let base = std::net::Ipv6Addr::from(u128::from(a) & mask(length, 128)?);
                Some(Self(format!("{base}/{length}")))
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `address` is in the range.
    pub fn covers(&self, address: IpAddr) -> bool {
        let length = self.0.rsplit_once('/').map_or("", |(_, length)| length);
        let address = address.to_canonical();
        Self::parse(&format!("{address}/{length}")).is_some_and(|range| range == *self)
    }

    pub fn is_ipv6(&self) -> bool {
        self.0.contains(':')
    }
}

/// The first `length` of `width` bits set.
fn mask(length: u32, width: u32) -> Option<u128> {
    let rest = width.checked_sub(length)?;
    let all = u128::MAX >> (128 - width);
    Some(all & u128::MAX.checked_shl(rest).unwrap_or(0))
}

/// A rule for port 22 as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub cidr: Cidr,
    pub description: String,
}

impl Rule {
    /// Whether `device` made it.
    pub fn is_of(&self, device: &str) -> bool {
        device_of(&self.description) == Some(&*word(device))
    }
}

/// What to change; first add, then take away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    pub add: Vec<Rule>,
    pub remove: Vec<Rule>,
}

/// From the rules that are there to those that let `device` in from `wanted` and from nowhere else.
pub fn change(present: &[Rule], wanted: &[Cidr], device: &str, now: Millis) -> Change {
    let is_there = |cidr: &Cidr| present.iter().any(|r| r.cidr == *cidr);
    let description = description(device, now);
    let mut add: Vec<Rule> = Vec::new();
    for cidr in wanted {
        if !is_there(cidr) && !add.iter().any(|r| r.cidr == *cidr) {
            add.push(Rule {
                cidr: cidr.clone(),
                description: description.clone(),
            });
        }
    }
    let stale = |r: &&Rule| r.is_of(device) && !wanted.contains(&r.cidr);
    Change {
        add,
        remove: present.iter().filter(stale).cloned().collect(),
    }
}

/// `remote laptop 2026-11-03T10:00:00Z`
fn description(device: &str, now: Millis) -> String {
    format!("remote {} {}", word(device), rfc3339(now))
}

/// The device that made a rule, if it was one of ours, as [`Rule::is_of`] compares it.
pub fn device_of(description: &str) -> Option<&str> {
    let (device, time) = description.strip_prefix("remote ")?.rsplit_once(' ')?;
    super::tags::from_rfc3339(time).map(|_| device)
}

/// A device's name in the characters that a rule's description may have.
fn word(device: &str) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || "._-:/()#,@[]+=&;{}!$*".contains(c);
    device
        .chars()
        .map(|c| if kept(c) { c } else { '-' })
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests;

//! Which machine a task gets: from its words, its repository, how many agents work on it, rules and flags, to
//! an instance type and one line that says why. Pure; a guess from words alone stays under a price.

mod words;

use crate::config::AutoRule;
use crate::error::Error;
use crate::model::{Money, Shape};

pub use words::{Weight, weight};

const GIB: u64 = 1024;

/// A repository's size, where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repository {
    pub bytes: u64,
    pub files: u64,
}

/// What is to be done, and what a person said of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    pub task: &'a str,
    pub repository: Option<Repository>,
    pub agents: u32,
    /// `--instance`, or the configuration's.
    pub instance: Option<&'a str>,
    /// `--memory`
    pub memory_mib: Option<u64>,
    /// `--cpu`
    pub vcpus: Option<u32>,
}

/// What is configured about choosing.
#[derive(Debug, Clone, Copy)]
pub struct Auto<'a> {
    pub family: &'a str,
    /// An hour, where only words decide.
    pub max_price: Money,
    pub rules: &'a [AutoRule],
}

/// The machine, and why: `one agent, medium repository`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub shape: Shape,
    pub why: String,
}

/// Why no machine was chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizingError {
    #[error("there is no instance type `{name}`")]
    Unknown {
        name: String,
        /// The nearest there is.
        near: Option<String>,
        /// The rule that named it, where it was one.
        rule: Option<String>,
    },
    #[error("there is no instance type family `{0}`")]
    Family(String),
    #[error("no type like {family} has {vcpus} vCPU and {} GiB", .memory_mib.div_ceil(GIB))]
    TooLarge {
        family: String,
        vcpus: u32,
        memory_mib: u64,
    },
    #[error("every type of {family} costs more than {max_price} an hour (auto.max_price)")]
    TooDear { family: String, max_price: Money },
}

impl From<SizingError> for Error {
    fn from(e: SizingError) -> Self {
        let error = Self::user(e.to_string());
        match e {
            SizingError::Unknown {
                near: Some(near), ..
            } => error.hint(format!("did you mean `{near}`?")),
            SizingError::Unknown { .. } | SizingError::Family(_) => {
                error.hint("run `remote prices m6i c7i` to see types and their prices")
            }
            SizingError::TooLarge { .. } => error.hint("name a type with `--instance`"),
            SizingError::TooDear { .. } => {
                error.hint("name a type with `--instance`, or raise `auto.max_price`")
            }
        }
    }
}

/// Chooses among `shapes`: all types there are, with their prices where the machine is to be.
///
/// # Errors
/// A type or family that is not among them, or none that is large or cheap enough.
pub fn choose(wish: &Wish<'_>, auto: &Auto<'_>, shapes: &[Shape]) -> Result<Choice, SizingError> {
    if let Some(name) = wish.instance {
        return named(name, "as asked for".to_owned(), None, shapes);
    }
    let asked = wish.memory_mib.is_some() || wish.vcpus.is_some();
    if !asked && let Some(rule) = auto.rules.iter().find(|r| r.matches(wish.task)) {
        let why = format!("by your rule \"{}\"", rule.pattern);
        return named(&rule.instance, why, Some(&rule.pattern), shapes);
    }
    let need = need(wish);
    if asked {
        return by_numbers(wish, &need, auto, shapes);
    }
    let family = match need.weight {
        Weight::Light(_) => burstable_like(auto.family, shapes)?,
        _ => auto.family,
    };
    by_words(&need, family, auto.max_price, shapes)
}

/// What a machine must have.
#[derive(Debug, Clone)]
struct Need {
    vcpus: u32,
    memory_mib: u64,
    weight: Weight,
    why: String,
}

fn need(wish: &Wish<'_>) -> Need {
    let weight = weight(wish.task);
    let more = wish.agents.saturating_sub(1);
    // Of one agent and its work, and of each further agent: an agent's program alone takes about a GiB.
    let (vcpus, memory, each_vcpus, each_memory) = match weight {
        Weight::Light(_) => (2_u32, 2, 0_u32, 2),
        Weight::Usual => (2, 8, 1, 4),
        Weight::Heavy(_) => (16, 64, 2, 8),
    };
    let size = wish.repository.map(RepositorySize::of);
    // What is built and indexed of a large one is several times what is checked out.
    let (vcpus, memory) = match (size, weight) {
        (Some(RepositorySize::Large), Weight::Light(_)) => (2, 4),
        (Some(RepositorySize::Large), Weight::Usual) => (4, 16),
        _ => (vcpus, memory),
    };
    let mut why = match wish.agents {
        0 | 1 => "one agent".to_owned(),
        n => format!("{n} agents"),
    };
    if let Some(size) = size {
        why += &format!(", {} repository", size.word());
    }
    match weight {
        Weight::Light(word) => why += &format!(", light work (\"{word}\")"),
        Weight::Heavy(word) => why += &format!(", heavy work (\"{word}\")"),
        Weight::Usual => {}
    }
    Need {
        vcpus: each_vcpus.saturating_mul(more).saturating_add(vcpus),
        memory_mib: (memory + each_memory * u64::from(more)) * GIB,
        weight,
        why,
    }
}

/// The smallest of `family` that is enough, or else the largest that is not too dear.
fn by_words(
    need: &Need,
    family: &str,
    max_price: Money,
    shapes: &[Shape],
) -> Result<Choice, SizingError> {
    let all: Vec<&Shape> = shapes.iter().filter(|s| s.family() == family).collect();
    if all.is_empty() {
        return Err(SizingError::Family(family.to_owned()));
    }
    // A price that is not known is not known to be low enough.
    let affordable = |s: &&&Shape| s.price().is_some_and(|p| p <= max_price);
    let wanted = cheapest(all.iter().filter(|s| fits(s, need)).copied());
    if let Some(shape) = wanted.filter(|s| affordable(&s)) {
        return Ok(Choice {
            shape: shape.clone(),
            why: need.why.clone(),
        });
    }
    let largest = all
        .iter()
        .filter(affordable)
        .max_by_key(|s| (s.memory_mib, s.vcpus, std::cmp::Reverse(&s.name)));
    let Some(shape) = largest else {
        return Err(SizingError::TooDear {
            family: family.to_owned(),
            max_price,
        });
    };
    let instead = wanted.map_or_else(
        || format!("the largest {family} under {max_price}/h (auto.max_price)"),
        |s| format!("{} would be over {max_price}/h (auto.max_price)", s.name),
    );
    Ok(Choice {
        shape: (*shape).clone(),
        why: format!("{}; {instead}", need.why),
    })
}

/// The cheapest of the family and its siblings (m6i: c6i, r6i) that has what was asked for in numbers.
fn by_numbers(
    wish: &Wish<'_>,
    need: &Need,
    auto: &Auto<'_>,
    shapes: &[Shape],
) -> Result<Choice, SizingError> {
    let vcpus = wish.vcpus.unwrap_or(need.vcpus);
    let memory_mib = wish.memory_mib.unwrap_or(need.memory_mib);
    let need = Need {
        vcpus,
        memory_mib,
        ..need.clone()
    };
    let found = cheapest(
        shapes
            .iter()
            .filter(|s| are_siblings(s.family(), auto.family) && fits(s, &need)),
    );
    let Some(shape) = found else {
        return Err(SizingError::TooLarge {
            family: auto.family.to_owned(),
            vcpus,
            memory_mib,
        });
    };
    let mut asked = Vec::new();
    if let Some(vcpus) = wish.vcpus {
        asked.push(format!("--cpu {vcpus}"));
    }
    if let Some(memory) = wish.memory_mib {
        asked.push(format!("--memory {}", told(memory)));
    }
    Ok(Choice {
        shape: shape.clone(),
        why: format!("the cheapest with {}", asked.join(" and ")),
    })
}

fn named(
    name: &str,
    why: String,
    rule: Option<&str>,
    shapes: &[Shape],
) -> Result<Choice, SizingError> {
    let found = shapes.iter().find(|s| s.name == name);
    let shape = found.ok_or_else(|| SizingError::Unknown {
        name: name.to_owned(),
        near: nearest(name, shapes),
        rule: rule.map(str::to_owned),
    })?;
    Ok(Choice {
        shape: shape.clone(),
        why,
    })
}

fn nearest(name: &str, shapes: &[Shape]) -> Option<String> {
    shapes
        .iter()
        .map(|s| (strsim::damerau_levenshtein(name, &s.name), &s.name))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, name)| name.clone())
}

fn fits(shape: &Shape, need: &Need) -> bool {
    shape.vcpus >= need.vcpus && shape.memory_mib >= need.memory_mib
}

/// Bare metal takes minutes to boot and costs what the largest size does: never by itself.
fn cheapest<'a>(shapes: impl Iterator<Item = &'a Shape>) -> Option<&'a Shape> {
    shapes
        .filter(|s| !s.size().starts_with("metal"))
        .min_by_key(|s| {
            (
                s.od_microusd_per_hour.unwrap_or(u64::MAX),
                s.memory_mib,
                &s.name,
            )
        })
}

/// They differ in how much memory there is to a vCPU only: c6i, m6i, r6i.
fn are_siblings(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    let rest = |family: &str| family.strip_prefix(['c', 'm', 'r']).map(str::to_owned);
    rest(one).is_some_and(|r| Some(r) == rest(other))
}

/// The burstable family of the architecture that `family` has.
fn burstable_like(family: &str, shapes: &[Shape]) -> Result<&'static str, SizingError> {
    use crate::model::Arch;
    let one = shapes.iter().find(|s| s.family() == family);
    match one.map(|s| s.arch) {
        Some(Arch::X86_64) => Ok("t3"),
        Some(Arch::Arm64) => Ok("t4g"),
        None => Err(SizingError::Family(family.to_owned())),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RepositorySize {
    Small,
    Medium,
    Large,
}

impl RepositorySize {
    fn of(repository: Repository) -> Self {
        let Repository { bytes, files } = repository;
        if bytes > 1 << 30 || files > 50_000 {
            Self::Large
        } else if bytes > 50 << 20 || files > 2_000 {
            Self::Medium
        } else {
            Self::Small
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// `64gb`, `1.5gb` as whole MiB: `1536mb`.
fn told(mib: u64) -> String {
    if mib.is_multiple_of(GIB) {
        format!("{}gb", mib / GIB)
    } else {
        format!("{mib}mb")
    }
}

/// Reads a size as people write it, in bytes: `50gb`, `64GiB`, `512 mb`, `1.5tb`. A GB of memory or disk is
/// 1024 MB, as the machines have it; so `gb` and `gib` are the same here.
///
/// # Errors
/// What is no size, with examples.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("\"{text}\" is no size such as 50gb, 64GiB or 512mb");
    let lower = text.trim().to_ascii_lowercase();
    let at = lower
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(wrong)?;
    let (number, unit) = lower.split_at_checked(at).ok_or_else(wrong)?;
    let scale: u64 = match unit {
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    // The amounts of money have the same form, and exact arithmetic.
    let number: Money = match number.trim() {
        n if n.starts_with('$') => return Err(wrong()),
        n => n.parse().map_err(|_| wrong())?,
    };
    let size = u128::from(number.as_micros()) * u128::from(scale) / 1_000_000;
    match u64::try_from(size) {
        Ok(size) if size > 0 => Ok(size),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests;

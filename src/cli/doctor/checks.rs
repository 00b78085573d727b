//! What doctor looks at, one function each.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::{Finding, secrets, session};
use crate::cli::Ctx;
use crate::client::Known;
use crate::config::{Config, Origin};

/// The longest that anything outside of this process may take.
const BOUND: Duration = Duration::from_secs(2);

/// Everything, in the order in which it is shown.
pub async fn all(ctx: &Ctx, known: Option<&Known>) -> Vec<Finding> {
    let (further, ssh) = tokio::join!(further(ctx, known), ssh(&ctx.config));
    let mut findings = vec![
        binary(),
        configuration(ctx),
        directories(ctx),
        provider(&ctx.config),
    ];
    findings.push(ssh);
    findings.push(keys(ctx));
    findings.push(agents(&ctx.config));
    findings.push(terminal(ctx));
    findings.extend(secrets::all(ctx));
    findings.extend(further);
    findings
}

/// What asks others: AWS where it is used, and a session's machine.
async fn further(ctx: &Ctx, known: Option<&Known>) -> Vec<Finding> {
    let there = known.map_or(ctx.config.provider(), |k| &k.provider);
    match (there, known) {
        ("ec2", _) => session::on_ec2(ctx, known).await,
        (_, Some(known)) => vec![aws(&ctx.config).await, session::elsewhere(known).await],
        (_, None) => vec![aws(&ctx.config).await],
    }
}

fn binary() -> Finding {
    let version = concat!("remote ", env!("CARGO_PKG_VERSION"));
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    if std::env::consts::OS != "linux" {
        return Finding::good("remote", format!("{version}, {system}"));
    }
    // A static program has no loader mapped into it.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    if maps
        .lines()
        .any(|l| l.contains("/ld-linux") || l.contains("/ld-musl"))
    {
        Finding::bad(
            "remote",
            false,
            format!("{version}, {system}, not a static build"),
            "it can be uploaded only to machines with the same C library; build it with this \
             repository's .cargo/config.toml, which makes it static",
        )
    } else {
        Finding::good("remote", format!("{version}, {system}, static"))
    }
}

fn configuration(ctx: &Ctx) -> Finding {
    let cwd = std::env::current_dir().unwrap_or_default();
    let (_, problems) = Config::read(&ctx.paths, &cwd, |name| std::env::var(name).ok());
    let file = Config::file(&ctx.paths);
    match problems.as_slice() {
        [] if file.exists() => Finding::good("configuration", file.display().to_string()),
        [] => Finding::good(
            "configuration",
            format!("no {}; everything built in", file.display()),
        ),
        [first, more @ ..] => {
            let more = match more.len() {
                0 => String::new(),
                n => format!(" (and {n} more)"),
            };
            Finding::bad(
                "configuration",
                true,
                format!("{}: {}{more}", first.place, first.message),
                "run `remote config check` for all that is wrong",
            )
        }
    }
}

fn directories(ctx: &Ctx) -> Finding {
    for dir in [&ctx.paths.state, &ctx.paths.config, &ctx.paths.data] {
        if let Err(e) = writable(dir) {
            return Finding::bad(
                "directories",
                true,
                format!("{} cannot be written: {e}", dir.display()),
                "make it writable, or set XDG_STATE_HOME, XDG_CONFIG_HOME and XDG_DATA_HOME to \
                 directories that are",
            );
        }
    }
    Finding::good(
        "directories",
        format!("sessions in {}", ctx.paths.sessions().display()),
    )
}

/// Whether `dir`, or the nearest directory above it that exists, can be written.
fn writable(dir: &Path) -> std::io::Result<()> {
    let exists = dir
        .ancestors()
        .find(|d| d.exists())
        .unwrap_or(Path::new("/"));
    rustix::fs::access(exists, rustix::fs::Access::WRITE_OK)?;
    Ok(())
}

fn provider(config: &Config) -> Finding {
    match (config.provider(), config.host()) {
        ("local", _) if config.provider_is_chosen() => Finding::good("provider", "local"),
        ("local", _) => Finding::good(
            "provider",
            "local: sessions run on this machine (`remote init` changes it)",
        ),
        ("ssh", Some(host)) => Finding::good("provider", format!("ssh: {host}")),
        ("ssh", None) => Finding::bad(
            "provider",
            true,
            "ssh, but no machine is named",
            "run `remote init --provider ssh --host ME@BOX`",
        ),
        (other, _) => Finding::good("provider", other),
    }
}

async fn ssh(config: &Config) -> Finding {
    let host = config
        .host()
        .filter(|h| !h.starts_with('-'))
        .unwrap_or("localhost");
    let mut command = tokio::process::Command::new("ssh");
    command
        .args(["-G", host])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let remedy =
        "install OpenSSH's client: without it only the plain parts of ~/.ssh/config are read";
    match tokio::time::timeout(BOUND, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Finding::good("ssh", "`ssh -G` reads your configuration")
        }
        Ok(Ok(output)) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().next().unwrap_or("it failed").to_owned();
            Finding::bad(
                "ssh",
                false,
                format!("`ssh -G {host}`: {line}"),
                "mend ~/.ssh/config",
            )
        }
        Ok(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => {
            Finding::bad("ssh", false, "no ssh program", remedy)
        }
        Ok(Err(e)) => Finding::bad("ssh", false, format!("ssh cannot be run: {e}"), remedy),
        Err(_) => Finding::bad(
            "ssh",
            false,
            format!("`ssh -G {host}` does not answer"),
            "look for a Match exec in ~/.ssh/config that hangs",
        ),
    }
}

fn keys(ctx: &Ctx) -> Finding {
    let agent = std::env::var_os("SSH_AUTH_SOCK")
        .filter(|path| std::os::unix::net::UnixStream::connect(path).is_ok());
    let dir = ctx.paths.home.join(".ssh");
    let mut files: Vec<String> = std::fs::read_dir(&dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("id_") && !name.ends_with(".pub"))
        .filter(|name| dir.join(format!("{name}.pub")).exists() || !name.contains('.'))
        .collect();
    files.sort();
    let found: Vec<String> = agent
        .map(|_| "an ssh-agent answers".to_owned())
        .into_iter()
        .chain((!files.is_empty()).then(|| format!("~/.ssh: {}", files.join(", "))))
        .collect();
    if found.is_empty() {
        return Finding::bad(
            "ssh keys",
            ctx.config.provider() == "ssh",
            "no ssh-agent and no key in ~/.ssh",
            "the ssh provider needs one: `ssh-keygen -t ed25519`, then `ssh-copy-id ME@BOX`",
        );
    }
    Finding::good("ssh keys", found.join("; "))
}

fn agents(config: &Config) -> Finding {
    let (mut here, mut absent) = (Vec::new(), Vec::new());
    for (name, agent) in config.agents() {
        if on_path(agent.program()).is_some() {
            here.push(name);
        } else {
            absent.push(name);
        }
    }
    let default = config.default_agent();
    let detail = format!(
        "found: {}; not found: {}",
        if here.is_empty() {
            "none".to_owned()
        } else {
            here.join(", ")
        },
        if absent.is_empty() {
            "none".to_owned()
        } else {
            absent.join(", ")
        },
    );
    if here.contains(&default) || config.provider() != "local" {
        return Finding::good("agents", detail);
    }
    let chosen = config
        .get("agent")
        .is_some_and(|(_, origin)| *origin != Origin::BuiltIn);
    Finding::bad(
        "agents",
        chosen,
        detail,
        format!(
            "`remote dispatch \"TASK\"` starts `{default}`: install it, or set `agent` in config.toml; \
             `remote dispatch --command` runs any program"
        ),
    )
}

/// The file that `program` names, as a shell would find it.
fn on_path(program: &str) -> Option<PathBuf> {
    let runs = |path: &Path| {
        path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|p| runs(p));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|p| runs(p))
}

fn terminal(ctx: &Ctx) -> Finding {
    let term = std::env::var("TERM").unwrap_or_default();
    if !ctx.ui.in_is_terminal() || !ctx.ui.out_is_terminal() {
        return Finding::good("terminal", "this is none (attach needs one)");
    }
    if term.is_empty() || term == "dumb" {
        return Finding::bad(
            "terminal",
            false,
            format!("TERM is \"{term}\""),
            "set TERM to what your terminal is, e.g. xterm-256color",
        );
    }
    let colors = match std::env::var("COLORTERM").as_deref() {
        Ok("truecolor" | "24bit") => "24-bit colours",
        _ if term.contains("256") => "256 colours",
        _ => "few colours",
    };
    Finding::good("terminal", format!("{term}, {colors}"))
}

async fn aws(config: &Config) -> Finding {
    let profile = config.text("profile");
    let found = crate::aws::find(profile, BOUND).await;
    let region = config.text("region").map(str::to_owned).or(found.region);
    let region = region.map_or("no region".to_owned(), |r| format!("region {r}"));
    match found.credentials {
        Ok(()) => Finding::good("aws", format!("credentials found, {region}")),
        Err(why) => Finding::bad(
            "aws",
            false,
            format!("no credentials ({why}), {region}"),
            "only the ec2 provider needs them: `aws configure` or `aws sso login`, then `remote init --provider ec2`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        assert!(on_path("sh").is_some());
        assert!(on_path("/bin/sh").is_some());
        assert!(on_path("no-such-program-here").is_none());
        assert!(on_path("").is_none());
    }

    #[test]
    fn a_directory_not_yet_there_is_writable_if_the_one_above_is() {
        let dir = std::env::temp_dir();
        assert!(writable(&dir.join("not/yet/there")).is_ok());
        assert!(writable(Path::new("/proc/1/x")).is_err());
    }
}

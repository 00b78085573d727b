//! Files to and from a session's machine, over its SSH connection: one file through `cat`, a directory
//! through `tar` on both sides, so that nothing has to be installed there.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::dial::run;
use crate::error::{Context, Error, Result};
use crate::provision::{quote, sh};
use crate::ssh::{Connection, Exec};

/// One side of a copy, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    Here(PathBuf),
    /// `session:path`, or `session/2:path`: relative to that agent's directory.
    There {
        session: String,
        path: String,
    },
}

impl Side {
    /// As scp reads it: a colon before any slash but that of an agent's number makes it remote.
    pub fn parse(typed: &str) -> Self {
        if let Some((session, path)) = typed.split_once(':') {
            let agent_slash = session
                .split_once('/')
                .is_none_or(|(name, n)| !name.is_empty() && n.parse::<u32>().is_ok());
            if !session.is_empty() && agent_slash && !session.starts_with('.') {
                return Self::There {
                    session: session.to_owned(),
                    path: path.to_owned(),
                };
            }
        }
        Self::Here(PathBuf::from(typed))
    }
}

/// Where a path lies there: absolute, in the home directory (`~/x`), or in the agent's directory.
pub fn there(path: &str, cwd: &Path) -> String {
    match path {
        "" => quote(&cwd.display().to_string()),
        "~" => "\"$HOME\"".to_owned(),
        _ => match path.strip_prefix("~/") {
            Some(rest) => format!("\"$HOME\"/{}", quote(rest)),
            None => quote(&cwd.join(path).display().to_string()),
        },
    }
}

/// Brings `from` (a word of sh, see [`there`]) here. An existing directory takes it in. Gives the bytes of a
/// single file.
///
/// # Errors
/// It is not there, is a directory without `recursive`, or a side fails.
pub async fn download(
    connection: &Connection,
    from: &str,
    name: &str,
    to: &Path,
    recursive: bool,
) -> Result<u64> {
    let look = sh(&format!(
        "if [ -d {from} ]; then echo dir; elif [ -e {from} ]; then echo file; if [ -x {from} ]; then echo x; \
         fi; else echo none; fi"
    ));
    let ran = run(connection, &look, tokio::io::empty()).await?;
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    let target = into(to, name);
    match said.lines().next() {
        Some("dir") if recursive => {
            tokio::fs::create_dir_all(&target)
                .await
                .context(format!("cannot create {}", target.display()))?;
            let exec = connection
                .exec(&sh(&format!("cd {from} && tar -cf - .")), None)
                .await?;
            unpack(exec, &target).await?;
            Ok(0)
        }
        Some("dir") => Err(Error::user(format!("`{name}` is a directory there"))
            .hint("copy it with `remote cp -r`")),
        Some("file") => {
            let executable = said.lines().nth(1) == Some("x");
            let exec = connection.exec(&sh(&format!("cat < {from}")), None).await?;
            receive(exec, &target, executable).await
        }
        _ => Err(Error::user(format!("there is no `{name}` there"))
            .hint("paths are relative to the agent's directory; `/x` and `~/x` are absolute")),
    }
}

/// Takes `from` there, to `to` (a word of sh). An existing directory takes it in.
///
/// # Errors
/// It is not here, is a directory without `recursive`, or a side fails.
pub async fn upload(
    connection: &Connection,
    from: &Path,
    to: &str,
    recursive: bool,
) -> Result<u64> {
    let meta = tokio::fs::metadata(from)
        .await
        .context(format!("cannot read {}", from.display()))?;
    let name = from
        .canonicalize()
        .ok()
        .and_then(|p| p.file_name().map(|n| n.to_string_lossy().into_owned()))
        .unwrap_or_default();
    let name = quote(&name);
    let target = format!("t={to}; if [ -d \"$t\" ]; then t=\"$t\"/{name}; fi");
    if !meta.is_dir() {
        let mode = if executable(&meta) { "755" } else { "644" };
        let script = format!(
            "{target}; p=\"$t.$$.part\"; cat > \"$p\" && chmod {mode} \"$p\" && mv -f \"$p\" \"$t\" || \
             {{ rm -f \"$p\"; exit 1; }}"
        );
        let file = File::open(from)
            .await
            .context(format!("cannot read {}", from.display()))?;
        let ran = run(connection, &sh(&script), file).await?;
        said_well(ran.status, &ran.stderr, "writing the file there")?;
        return Ok(meta.len());
    }
    if !recursive {
        return Err(Error::user(format!("{} is a directory", from.display()))
            .hint("copy it with `remote cp -r`"));
    }
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(from)
        .args(["-cf", "-", "."])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start `tar` here")?;
    let packed = tar
        .stdout
        .take()
        .ok_or_else(|| Error::internal("tar without a pipe"))?;
    let script = format!("{target}; mkdir -p \"$t\" && tar -C \"$t\" -xf -");
    let ran = run(connection, &sh(&script), packed).await?;
    said_well(ran.status, &ran.stderr, "unpacking there")?;
    let here = tar.wait().await?;
    said_well(here.code().unwrap_or(1), b"", "packing here")?;
    Ok(0)
}

/// An existing directory takes a file in under its own name.
fn into(to: &Path, name: &str) -> PathBuf {
    let name = Path::new(name).file_name();
    match name {
        Some(name) if to.is_dir() => to.join(name),
        _ => to.to_owned(),
    }
}

async fn receive(mut exec: Exec, target: &Path, executable: bool) -> Result<u64> {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = target.with_file_name(name);
    let written = async {
        let mut file = File::create(&part)
            .await
            .context(format!("cannot write {}", part.display()))?;
        let bytes = tokio::io::copy(&mut exec.stdout, &mut file).await?;
        file.flush().await?;
        finish(exec, "reading the file there").await?;
        if executable {
            use std::os::unix::fs::PermissionsExt;
            file.set_permissions(std::fs::Permissions::from_mode(0o755))
                .await?;
        }
        tokio::fs::rename(&part, target)
            .await
            .context(format!("cannot write {}", target.display()))?;
        Ok(bytes)
    }
    .await;
    if written.is_err() {
        let _ = tokio::fs::remove_file(&part).await;
    }
    written
}

async fn unpack(mut exec: Exec, target: &Path) -> Result<()> {
    let mut tar = Command::new("tar")
        .arg("-C")
        .arg(target)
        .args(["-xf", "-"])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start `tar` here")?;
    let mut pipe = tar
        .stdin
        .take()
        .ok_or_else(|| Error::internal("tar without a pipe"))?;
    tokio::io::copy(&mut exec.stdout, &mut pipe).await?;
    drop(pipe);
    let here = tar.wait().await?;
    finish(exec, "packing there").await?;
    said_well(here.code().unwrap_or(1), b"", "unpacking here")
}

async fn finish(mut exec: Exec, what: &str) -> Result<()> {
    let mut stderr = Vec::new();
    (&mut exec.stderr)
        .take(64 * 1024)
        .read_to_end(&mut stderr)
        .await?;
    let status = exec.control.wait().await?.code();
    said_well(status, &stderr, what)
}

fn said_well(status: i32, stderr: &[u8], what: &str) -> Result<()> {
    if status == 0 {
        return Ok(());
    }
    let error = Error::user(format!("{what} failed (exit {status})"));
    let said = String::from_utf8_lossy(stderr).trim().to_owned();
    Err(if said.is_empty() {
        error
    } else {
        error.because(said)
    })
}

fn executable(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    meta.permissions().mode() & 0o100 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_told_apart_as_scp_does() {
        let there = |session: &str, path: &str| Side::There {
            session: session.into(),
            path: path.into(),
        };
        assert_eq!(Side::parse("abc:x/y"), there("abc", "x/y"));
        assert_eq!(Side::parse("abc/2:"), there("abc/2", ""));
        assert_eq!(Side::parse("abc:/etc:x"), there("abc", "/etc:x"));
        for here in ["x", "./a:b", "/a:b", "dir/a:b", ":x", "../x:y"] {
            assert_eq!(Side::parse(here), Side::Here(here.into()), "{here}");
        }
    }

    #[test]
    fn paths_there_are_words_of_sh() {
        let cwd = Path::new("/work/a b");
        assert_eq!(there("", cwd), "'/work/a b'");
        assert_eq!(there("x", cwd), "'/work/a b/x'");
        assert_eq!(there("/etc/passwd", cwd), "/etc/passwd");
        assert_eq!(there("~/it's", cwd), "\"$HOME\"/'it'\\''s'");
        assert_eq!(there("~", cwd), "\"$HOME\"");
    }
}

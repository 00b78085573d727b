//! `remote workspace ls`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::progress::Progress;
use super::reading::{From, Reading, cost, from_top, waiting};
use super::words::bytes;
use crate::cli::{Cell, Color, Ctx, Table, age, complete};
use crate::error::{Error, Result};
use crate::model::now_ms;
use crate::workspace::{FileEntry, FileKind, WorkspaceError, follow};

/// List the files of a workspace, with no machine running
///
/// Reads its newest snapshot, or a temporary one where the workspace was used since, and of that only the blocks that
/// are needed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The workspace
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete::workspaces))]
    name: String,
    /// A directory or file, from the workspace's top; on a machine that is /work
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Print JSON; times are in milliseconds
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: From,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let progress = Progress::new(ctx);
    let reading = Reading::begin(ctx, &args.name, &args.from, &progress).await?;
    let path = from_top(args.path.as_deref());
    let read = async {
        let mut files = reading.open(&progress).await?;
        if let Some(most) = cost(files.whole()) {
            ctx.ui.note(format!(
                "reads what it needs of {}; all of it would be {most}.",
                reading.snapshot.id
            ));
        }
        let listed = waiting(move || {
            let path = follow(files.as_mut(), &path)?;
            let (entries, damaged) = files.list_sound(&path)?;
            Ok::<_, WorkspaceError>((entries, damaged, files.fetched()))
        });
        Ok::<_, Error>(listed.await??)
    };
    let outcome = progress.run(read, "nothing stays").await;
    let (entries, damaged, fetched) = reading.end(outcome, false).await?;
    if args.json {
        ctx.ui.json(&entries)?;
    } else {
        print(ctx, &entries)?;
    }
    if let Some(cost) = cost(fetched) {
        ctx.ui.note(format!("{cost}."));
    }
    for (path, why) in &damaged {
        ctx.ui.warn(format!("{}: {why}", path.display()));
    }
    match damaged.is_empty() {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::FAILURE),
    }
}

fn print(ctx: &Ctx, entries: &[FileEntry]) -> Result<()> {
    let mut table = Table::new(&["MODE", "OWNER", "SIZE", "MODIFIED", "NAME"]);
    let now = now_ms();
    for entry in entries {
        let size = match entry.kind {
            FileKind::File => bytes(entry.size),
            _ => "-".to_owned(),
        };
        table.row(vec![
            Cell::new(mode(entry)),
            Cell::new(entry.uid.to_string()),
            Cell::new(size),
            Cell::new(age(entry.modified, now)),
            name(entry),
        ]);
    }
    table.print(&ctx.ui)
}

fn name(entry: &FileEntry) -> Cell {
    let name = entry.path.file_name().unwrap_or(entry.path.as_os_str());
    let name = name.to_string_lossy();
    match (entry.kind, &entry.target) {
        (FileKind::Directory, _) => Cell::new(format!("{name}/")).color(Color::Blue),
        (_, Some(target)) => {
            Cell::new(format!("{name} -> {}", target.display())).color(Color::Cyan)
        }
        _ => Cell::new(name),
    }
}

/// `drwxr-xr-x`
fn mode(entry: &FileEntry) -> String {
    let kind = match entry.kind {
        FileKind::File => '-',
        FileKind::Directory => 'd',
        FileKind::Link => 'l',
        FileKind::Other => '?',
    };
    let bit = |n: u32| match (entry.mode & (1 << n) != 0, n % 3) {
        (false, _) => '-',
        (true, 2) => 'r',
        (true, 1) => 'w',
        (true, _) => 'x',
    };
    std::iter::once(kind).chain((0..9).rev().map(bit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_written_as_ls_writes_them() {
        let entry = |kind, mode| FileEntry {
            path: PathBuf::from("/a"),
            kind,
            size: 0,
            mode,
            uid: 0,
            gid: 0,
            modified: 0,
            target: None,
        };
        assert_eq!(mode(&entry(FileKind::Directory, 0o1755)), "drwxr-xr-x");
        assert_eq!(mode(&entry(FileKind::File, 0o640)), "-rw-r-----");
        assert_eq!(mode(&entry(FileKind::Link, 0o777)), "lrwxrwxrwx");
    }
}

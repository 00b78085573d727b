//! How much there is of a repository, for who chooses a machine for work on it.

use std::path::PathBuf;

use super::{RepoError, Repository};

/// Beyond so many files it is large, however many more there are.
const MOST: usize = 100_000;

/// Tracked files as they lie in the working tree: how many, and their bytes. Of a bare repository nothing.
///
/// # Errors
/// git fails.
pub async fn measure(repository: &Repository) -> Result<(u64, u64), RepoError> {
    let Some(top) = repository.top.clone() else {
        return Ok((0, 0));
    };
    let listed = repository.git().run(["ls-files", "-z"]).await?;
    let names = String::from_utf8_lossy(&listed).into_owned();
    let measured = tokio::task::spawn_blocking(move || {
        let files: Vec<PathBuf> = names
            .split_terminator('\0')
            .take(MOST)
            .map(|name| top.join(name))
            .collect();
        let sizes = files.iter().filter_map(|f| f.symlink_metadata().ok());
        let bytes = sizes.map(|m| m.len()).fold(0, u64::saturating_add);
        (files.len() as u64, bytes)
    });
    Ok(measured.await.unwrap_or_default())
}

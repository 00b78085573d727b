//! What the verbs mean, without a terminal.

pub mod attach;
pub mod link;

/// Streams.
pub mod control {
    use tokio::io::{AsyncRead, AsyncWrite};
    /// Any way to a host's socket.
    pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}
    impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}
}

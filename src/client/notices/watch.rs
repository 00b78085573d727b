//! A session's news beside whatever else a client does with it: a stream of its own to the host, opened again when it
//! is lost, over the connection there is.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::Teller;
use crate::client::control::{Control, Watch};
use crate::error::Result;
use crate::model::SessionStatus;

/// Before a stream that was lost is opened again.
const PAUSE: Duration = Duration::from_secs(2);
/// For a session's last words, when the client leaves.
const LAST: Duration = Duration::from_secs(2);

/// The task that finds what is to be told.
pub struct Told {
    leave: oneshot::Sender<()>,
    /// The agents are over, and it is known here.
    over: watch::Receiver<bool>,
    /// Something is to be told of that.
    tells_ends: bool,
    task: JoinHandle<()>,
}

/// Follows a session's news, as long as these agents run: bytes for the terminal, as they come. `open` gives a control
/// stream; what goes over a connection that is `given_up` is let go of.
pub fn follow<F>(
    teller: Teller,
    agents: &[u32],
    given_up: watch::Receiver<u64>,
    open: impl Fn() -> F + Send + Sync + 'static,
) -> (Told, mpsc::Receiver<Vec<u8>>)
where
    F: Future<Output = Result<Control>> + Send + 'static,
{
    let (send, bytes) = mpsc::channel(16);
    let (leave, mut leaves) = oneshot::channel();
    let (ended, over) = watch::channel(false);
    let tells_ends = teller.tells_ends();
    let mut ear = Ear {
        agents: agents.to_vec(),
        over: ended,
        given_up,
        send: send.clone(),
    };
    let task = tokio::spawn(async move {
        let mut teller = teller;
        let left = tokio::select! {
            () = ear.run(&mut teller, open) => false,
            _ = &mut leaves => true,
        };
        if !left {
            // It is over; who asked is still to say that they leave.
            let _ = leaves.await;
        }
        let _ = send.try_send(teller.finish());
    });
    let told = Told {
        leave,
        over,
        tells_ends,
        task,
    };
    (told, bytes)
}

impl Told {
    /// The client leaves: what was still to be told is told. `over`: the agents are, which the host says here too in
    /// a moment.
    pub async fn finish(self, over: bool) {
        if over && self.tells_ends {
            let mut known = self.over;
            let known = known.wait_for(|known| *known);
            let _ = tokio::time::timeout(LAST, known).await;
        }
        let _ = self.leave.send(());
        let _ = self.task.await;
    }
}

/// What hears a host.
struct Ear {
    agents: Vec<u32>,
    /// Told when they are over.
    over: watch::Sender<bool>,
    given_up: watch::Receiver<u64>,
    send: mpsc::Sender<Vec<u8>>,
}

impl Ear {
    /// Until the session has ended.
    async fn run<F>(&mut self, teller: &mut Teller, open: impl Fn() -> F + Sync)
    where
        F: Future<Output = Result<Control>>,
    {
        loop {
            let watch = async { open().await?.watch().await };
            if let Ok(watch) = watch.await
                && self.hear(teller, watch).await
            {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether the session is over.
    async fn hear(&mut self, teller: &mut Teller, mut watch: Watch) -> bool {
        self.given_up.borrow_and_update();
        loop {
            let wait = teller.next();
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait.max(Duration::from_millis(10))).await,
                    None => std::future::pending().await,
                }
            };
            let (bytes, ended) = tokio::select! {
                next = watch.next() => match next {
                    Ok(status) => (self.saw(teller, &status), status.ended.is_some()),
                    Err(_) => return false,
                },
                () = due => (teller.tick(), false),
                Ok(()) = self.given_up.changed() => return false,
            };
            if !bytes.is_empty() && self.send.send(bytes).await.is_err() {
                return true;
            }
            if ended {
                return true;
            }
        }
    }

    fn saw(&self, teller: &mut Teller, status: &SessionStatus) -> Vec<u8> {
        let bytes = teller.see(status);
        let mut ours = status
            .agents
            .iter()
            .filter(|a| self.agents.contains(&a.number));
        self.over.send_replace(ours.all(|a| a.state.is_over()));
        bytes
    }
}

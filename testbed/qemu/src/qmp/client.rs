// SPDX-License-Identifier: AGPL-3.0-or-later
//! The connection.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

use super::message::{self, Event, Message};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// No connection.
    #[error("connect to QEMU")]
    Connect(#[source] io::Error),
    /// The connection ended: QEMU is gone.
    #[error("{command}: QEMU is gone")]
    Gone {
        /// The command.
        command: String,
    },
    /// QEMU refused.
    #[error("{command}: {description} ({class})")]
    Refused {
        /// The command.
        command: String,
        /// The class of the error.
        class: String,
        /// What QEMU said.
        description: String,
    },
}

type Answers = HashMap<u64, oneshot::Sender<Result<Value, (String, String)>>>;

/// What waits for answers; none when the connection has ended.
#[derive(Default)]
struct Waiting(Mutex<Option<Answers>>);

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut Option<Answers>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection to one QEMU. Dropping it ends the connection, not QEMU.
pub struct Qmp {
    write: tokio::sync::Mutex<OwnedWriteHalf>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    reader: tokio::task::JoinHandle<()>,
}

impl Qmp {
    /// Connects and takes up commands; what happens comes out of the receiver.
    pub async fn connect(socket: &Path) -> Result<(Self, mpsc::UnboundedReceiver<Event>), QmpError> {
        let stream = UnixStream::connect(socket).await.map_err(QmpError::Connect)?;
        let (read, write) = stream.into_split();
        let waiting = Arc::new(Waiting(Mutex::new(Some(Answers::new()))));
        let (events, receiver) = mpsc::unbounded_channel();
        let reader = tokio::spawn(receive(read, waiting.clone(), events));
        let qmp = Self { write: tokio::sync::Mutex::new(write), waiting, next: AtomicU64::new(1), reader };
        qmp.execute("qmp_capabilities", Value::Null).await?;
        Ok((qmp, receiver))
    }

    /// Runs a command and waits for its answer.
    pub async fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let gone = || QmpError::Gone { command: command.to_owned() };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.waiting
            .with(|waiting| waiting.as_mut().map(|answers| answers.insert(id, sender)))
            .ok_or_else(gone)?;
        let line = message::command(id, command, arguments);
        if self.write.lock().await.write_all(&line).await.is_err() {
            self.waiting.with(|waiting| waiting.as_mut().map(|answers| answers.remove(&id)));
            return Err(gone());
        }
        match answer.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err((class, description))) => {
                Err(QmpError::Refused { command: command.to_owned(), class, description })
            }
            Err(_) => Err(gone()),
        }
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn receive(read: OwnedReadHalf, waiting: Arc<Waiting>, events: mpsc::UnboundedSender<Event>) {
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match message::read(&line) {
            Ok(Message::Event(event)) => {
                // Nobody listens any more: the machine is being taken down.
                let _unheard = events.send(event);
            }
            Ok(Message::Answer(id, answer)) => {
                let waits = waiting.with(|waiting| waiting.as_mut().and_then(|answers| answers.remove(&id)));
                if let Some(waits) = waits {
                    let _given_up = waits.send(answer);
                }
            }
            Ok(Message::Greeting | Message::Other) => {}
            Err(error) => tracing::warn!(%error, line, "not understood what qemu said"),
        }
    }
    waiting.with(Option::take);
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::UnixListener;

    use super::*;

    /// A server that answers each line with what `answers` says, after the greeting.
    async fn serve(socket: &Path, answers: impl Fn(Value) -> Vec<String> + Send + 'static) {
        let listener = UnixListener::bind(socket).expect("bound");
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let (read, mut write) = stream.into_split();
            write.write_all(b"{\"QMP\": {\"capabilities\": []}}\r\n").await.expect("sent");
            let mut lines = BufReader::new(read).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                for answer in answers(serde_json::from_str(&line).expect("JSON")) {
                    if answer == "hang up" {
                        return;
                    }
                    write.write_all(format!("{answer}\r\n").as_bytes()).await.expect("sent");
                }
            }
        });
    }

    fn ok(command: &Value) -> String {
        json!({"return": {}, "id": command["id"]}).to_string()
    }

    #[tokio::test]
    async fn an_event_comes_before_the_answer_that_follows_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("qmp");
        serve(&socket, |command| match command["execute"].as_str() {
            Some("stop") => vec![json!({"event": "STOP"}).to_string(), ok(&command)],
            _ => vec![ok(&command)],
        })
        .await;
        let (qmp, mut events) = Qmp::connect(&socket).await.expect("connected");
        assert!(events.try_recv().is_err());
        qmp.execute("stop", Value::Null).await.expect("stopped");
        assert_eq!(events.try_recv().expect("it is there already").name, "STOP");
    }

    #[tokio::test]
    async fn a_refusal_names_the_command_and_what_qemu_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("qmp");
        serve(&socket, |command| match command["execute"].as_str() {
            Some("eject") => {
                let error = json!({"class": "DeviceNotFound", "desc": "Device 'cd9' not found"});
                vec![json!({"id": command["id"], "error": error}).to_string()]
            }
            _ => vec![ok(&command)],
        })
        .await;
        let (qmp, _events) = Qmp::connect(&socket).await.expect("connected");
        let error = qmp.execute("eject", json!({"id": "cd9"})).await.expect_err("refused");
        assert_eq!(error.to_string(), "eject: Device 'cd9' not found (DeviceNotFound)");
    }

    #[tokio::test]
    async fn commands_fail_and_events_end_when_qemu_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("qmp");
        serve(&socket, |command| match command["execute"].as_str() {
            Some("quit") => vec!["hang up".to_owned()],
            _ => vec![ok(&command)],
        })
        .await;
        let (qmp, mut events) = Qmp::connect(&socket).await.expect("connected");
        assert!(matches!(qmp.execute("quit", Value::Null).await, Err(QmpError::Gone { .. })));
        assert_eq!(events.recv().await, None);
        assert!(matches!(qmp.execute("stop", Value::Null).await, Err(QmpError::Gone { .. })));
    }
}

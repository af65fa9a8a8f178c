// SPDX-License-Identifier: AGPL-3.0-or-later
//! BMCs that send anything, beside one that behaves: they cost a bounded amount, they are told apart, and
//! their neighbour is installed as ever.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::world::{World, name};

/// Bytes that one answer costs at most: what is read, and what is on its way in the buffers of two sockets.
const MOST_OF_ONE_ANSWER: u64 = 24 << 20;
/// Requests that one look makes at most of a BMC without end.
const MOST_OF_ONE_LOOK: u64 = 600;

#[derive(Clone, Copy, PartialEq)]
enum Habit {
    Garbage,
    Gigabyte,
    Redirects,
    Loops,
    Drip,
    Headers,
    Drops,
}

/// What a hostile BMC was asked, and how much it could send.
#[derive(Default)]
struct Cost {
    requests: AtomicU64,
    bytes: AtomicU64,
}

struct Hostile {
    habit: Habit,
    addr: SocketAddr,
    cost: Arc<Cost>,
    task: tokio::task::JoinHandle<()>,
}

impl Hostile {
    async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let cost = Arc::new(Cost::default());
        let counted = Arc::clone(&cost);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, habit, Arc::clone(&counted)));
            }
        });
        Self { habit, addr, cost, task }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, habit: Habit, cost: Arc<Cost>) {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    loop {
        head.clear();
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(n) => head.extend_from_slice(&piece[..n]),
            }
        }
        let number = cost.requests.fetch_add(1, Ordering::Relaxed);
        if answer(&mut stream, habit, number, &cost).await.is_err() {
            return;
        }
    }
}

async fn say(stream: &mut TcpStream, cost: &Cost, bytes: &[u8]) -> std::io::Result<()> {
    stream.write_all(bytes).await?;
    cost.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(())
}

async fn answer(stream: &mut TcpStream, habit: Habit, number: u64, cost: &Cost) -> std::io::Result<()> {
    let ok = |length: u64| {
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
    };
    match habit {
        Habit::Garbage => say(stream, cost, b"\x00\xff\x00SSH-2.0-nobody\r\n\r\n").await,
        Habit::Gigabyte => {
            say(stream, cost, ok(1 << 30).as_bytes()).await?;
            let piece = vec![b' '; 64 << 10];
            for _ in 0..(1 << 30) / piece.len() {
                say(stream, cost, &piece).await?;
            }
            Ok(())
        }
        Habit::Redirects => {
            let text =
                format!("HTTP/1.1 301 Moved\r\nlocation: /redfish/v1/{number}\r\ncontent-length: 0\r\n\r\n");
            say(stream, cost, text.as_bytes()).await
        }
        Habit::Loops => {
            // Whatever is asked for is a collection, a system and a root, with links to ever more.
            let link = |at: u64| json!({"@odata.id": format!("/redfish/v1/{number}/{at}")});
            let members: Vec<Value> = (0..50).map(link).collect();
            let body = json!({
                "@odata.id": "/redfish/v1", "Systems": link(1), "Managers": link(2), "Members": members,
                "Members@odata.nextLink": format!("/redfish/v1/{number}/next"), "VirtualMedia": link(3),
                "Links": {"Sessions": link(4), "ManagedBy": [link(5)]}, "PowerState": "On",
            })
            .to_string();
            say(stream, cost, format!("{}{body}", ok(body.len() as u64)).as_bytes()).await
        }
        Habit::Drip => {
            say(stream, cost, ok(1 << 20).as_bytes()).await?;
            loop {
                say(stream, cost, b" ").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Habit::Headers => {
            say(stream, cost, b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                say(stream, cost, b"x-more: and more, and more, and more, and more, and more\r\n").await?;
            }
        }
        Habit::Drops => Err(std::io::ErrorKind::ConnectionReset.into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_bmcs_cost_a_bounded_amount_and_their_neighbour_is_installed() {
    let habits = [
        Habit::Garbage,
        Habit::Gigabyte,
        Habit::Redirects,
        Habit::Loops,
        Habit::Drip,
        Habit::Headers,
        Habit::Drops,
    ];
    // The first one behaves; the files of the others name a hostile address.
    let mut world = World::new(&["ilo5"; 8]).await;
    world.tweak = |settings| {
        settings.redfish_timeout = Duration::from_millis(500);
        settings.redfish_retries = 2;
        settings.sweep = Duration::from_millis(200);
    };
    let mut hostile = Vec::new();
    for (index, habit) in (1..).zip(habits) {
        let bmc = Hostile::start(habit).await;
        world.bmc_at(index, &format!("http://{}", bmc.addr));
        hostile.push(bmc);
    }
    world.push("one server, and seven that are none");
    world.start().await;
    world.wait_job_complete(0, "succeeded").await;
    for (index, bmc) in (1..).zip(&hostile) {
        let view = world
            .wait_server(index, "what is wrong with it", |view| {
                view["status"]["bmc"]["unreachable"]["code"].is_string()
            })
            .await;
        let code = view["status"]["bmc"]["unreachable"]["code"].as_str().unwrap().to_owned();
        let wanted: &[&str] = match bmc.habit {
            Habit::Garbage | Habit::Headers | Habit::Drops => &["unreachable"],
            Habit::Gigabyte => &["answer-too-large"],
            Habit::Redirects => &["bad-redirect"],
            Habit::Loops => &["too-many-resources", "not-redfish", "server-fault", "refused"],
            Habit::Drip => &["timeout"],
        };
        assert!(wanted.contains(&&*code), "{}: {code}: {:#}", name(index), view["status"]["bmc"]);
    }
    world.stop().await;
    for bmc in &hostile {
        let (requests, bytes) =
            (bmc.cost.requests.load(Ordering::Relaxed), bmc.cost.bytes.load(Ordering::Relaxed));
        assert!(requests > 0);
        assert!(bytes / requests < MOST_OF_ONE_ANSWER, "{bytes} bytes in {requests} answers");
        // It was looked at a few times.
        assert!(requests < 100 * MOST_OF_ONE_LOOK, "{requests} requests");
    }
}

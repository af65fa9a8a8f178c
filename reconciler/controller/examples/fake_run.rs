//! temporary
use shoal_controller::settings::*;
use std::sync::Arc;
use std::time::Duration;
struct C;
impl Clock for C {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}
struct Log;
struct V(String);
impl tracing::field::Visit for V {
    fn record_debug(&mut self, f: &tracing::field::Field, v: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        let _ = write!(self.0, " {}={:?}", f.name(), v);
    }
}
impl tracing::Subscriber for Log {
    fn enabled(&self, m: &tracing::Metadata<'_>) -> bool {
        m.target().starts_with("shoal") && *m.level() <= tracing::Level::DEBUG
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, e: &tracing::Event<'_>) {
        let mut v = V(String::new());
        e.record(&mut v);
        eprintln!("{} {} {}{}", jiff::Timestamp::now(), e.metadata().level(), e.metadata().target(), v.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _ = tracing::subscriber::set_global_default(Log);
    let var = |n: &str| std::env::var(n).unwrap();
    let addr = |n: &str| var(n).parse().unwrap();
    let root = std::path::PathBuf::from(var("STORAGE_ROOT"));
    let by: u64 = 25;
    let settings = Settings {
        source: Source::Git {
            url: shoal_git::RemoteUrl::parse(&var("SHOAL_REPO")).unwrap(),
            branch: None,
            credential: shoal_git::Credential::None,
        },
        db_path: root.join("shoal.redb"),
        storage_root: root.clone(),
        api: Listener { addr: addr("CONTROLLER_HTTP_ADDR"), tls: TlsMode::Off },
        api_tls: Some(addr("CONTROLLER_HTTPS_ADDR")),
        media: Some(addr("MEDIA_ADDR")),
        media_tls: Some(addr("MEDIA_TLS_ADDR")),
        callback_url: None,
        media_urls: vec![],
        socket: Some(var("SHOAL_SOCKET").into()),
        auth: Auth::None,
        maintenance_iso: var("MAINTENANCE_ISO").into(),
        static_dir: None,
        identities: Some(shoal_schema::SecretString::new(std::fs::read_to_string(var("AGE_KEY")).unwrap())),
        signing_secret: None,
        old_signing_secret: None,
        worker_concurrency: 16,
        bmc_concurrency: 256,
        redfish_timeout: Duration::from_secs(30),
        redfish_retries: 5,
        time_divisor: by,
        budgets: shoal_core::job::Budgets::default().divided(by),
        poll: Duration::from_secs(60),
        sweep: Duration::from_secs(5),
        job_retention: Duration::from_secs(86400),
        version: "0.1.0",
        clock: Arc::new(C),
    };
    let running = shoal_controller::start(settings).await.unwrap();
    let mut t = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    t.recv().await;
    running.stop().await;
}

// SPDX-License-Identifier: AGPL-3.0-or-later
//! One JSON object a line: `time`, `level`, `message`, `target`, and beside them the fields of the event
//! and of the spans around it (`job_id`, `server_serial`, `step`, `worker_id`), an inner one before an
//! outer one. Nothing is nested, so that a log store needs no rule to find them.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// See the module.
pub(super) struct Flat {
    pub(super) now: fn() -> jiff::Timestamp,
}

impl<S, N> FormatEvent<S, N> for Flat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            let extensions = span.extensions();
            let Some(written) = extensions.get::<FormattedFields<N>>() else { continue };
            if let Ok(Value::Object(of_span)) = serde_json::from_str(&written.fields) {
                fields.extend(of_span);
            }
        }
        event.record(&mut Fields(&mut fields));
        let message = fields.remove("message").unwrap_or_else(|| Value::String(String::new()));
        // What came over from the `log` crate says itself where it comes from.
        let target = fields.remove("log.target").unwrap_or_else(|| event.metadata().target().into());
        fields.retain(|name, _| !name.starts_with("log."));
        let time = Value::String(format!("{:.6}", (self.now)()));
        let level = Value::String(event.metadata().level().to_string());
        write!(writer, "{{\"time\":{time},\"level\":{level},\"message\":{message},\"target\":{target}")?;
        for (name, value) in
            fields.iter().filter(|(name, _)| !matches!(&***name, "time" | "level" | "target"))
        {
            write!(writer, ",{}:{value}", Value::String(name.clone()))?;
        }
        writeln!(writer, "}}")
    }
}

/// Writes fields into an object.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Written {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    fn lines(work: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(written.clone())
            .fmt_fields(JsonFields::new())
            .event_format(Flat { now: || jiff::Timestamp::UNIX_EPOCH })
            .finish();
        tracing::subscriber::with_default(subscriber, work);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_call_has_every_field_on_one_level() {
        let lines = lines(|| {
            let job = tracing::info_span!(
                "effect",
                job_id = "0123",
                server_serial = "SN1",
                step = "redfish.reset",
                worker_id = "ab-3"
            );
            let _in_it = job.enter();
            tracing::info!(
                op = "power-on",
                code = "204",
                duration_ms = 12_u64,
                correlation_id = %"3-17",
                "redfish call"
            );
        });
        let wanted = serde_json::json!({
            "time": "1970-01-01T00:00:00.000000Z", "level": "INFO", "message": "redfish call",
            "target": "shoal::cli::run::json::tests", "job_id": "0123", "server_serial": "SN1",
            "step": "redfish.reset", "worker_id": "ab-3", "op": "power-on", "code": "204",
            "duration_ms": 12, "correlation_id": "3-17",
        });
        assert_eq!(lines, [wanted]);
    }

    #[test]
    fn an_inner_span_and_the_event_itself_come_before_an_outer_one_and_nothing_leaves_its_line() {
        let lines = lines(|| {
            let _outer = tracing::info_span!("outer", server = "a", step = "x", time = "never").entered();
            let _inner = tracing::info_span!("inner", step = "y").entered();
            tracing::warn!(server = "b", on = true, ratio = 0.5, "two\nlines \"quoted\"");
            tracing::error!(error = ?fmt::Error);
        });
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["server"], &lines[0]["step"]), (&"b".into(), &"y".into()));
        assert_eq!((&lines[0]["on"], &lines[0]["ratio"]), (&true.into(), &0.5.into()));
        assert_eq!(lines[0]["message"], "two\nlines \"quoted\"");
        assert_eq!(lines[0]["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!((&lines[1]["message"], &lines[1]["level"]), (&"".into(), &"ERROR".into()));
        assert_eq!(lines[1]["error"], "Error");
    }
}

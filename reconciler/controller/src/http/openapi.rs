// SPDX-License-Identifier: AGPL-3.0-or-later
//! The OpenAPI document, made from the very types that the routes use.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use shoal_schema::api;
use shoal_schema::plan::Plan;
use shoal_schema::wire::permit::{PermitAnswer, PermitRequest};
use shoal_schema::wire::progress::{ProgressAnswer, ProgressBody};
use shoal_schema::wire::webhook::{WebhookAnswer, WebhookBody};

struct Builder {
    generator: SchemaGenerator,
    paths: Map<String, Value>,
}

struct Route<'a> {
    method: &'a str,
    path: &'a str,
    summary: &'a str,
    /// `account`, `job` or `open`.
    who: &'a str,
    request: Option<Value>,
    ok: (&'a str, Value),
    errors: &'a [&'a str],
}

impl Builder {
    fn schema<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().to_value()
    }

    fn add(&mut self, route: Route<'_>) {
        let parameters: Vec<Value> = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')))
            .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
            .collect();
        let content = |schema: Value| {
            let kind =
                if schema["format"] == "binary" { "application/octet-stream" } else { "application/json" };
            json!({kind: {"schema": schema}})
        };
        let mut responses = Map::new();
        responses
            .insert(route.ok.0.into(), json!({"description": "As asked.", "content": content(route.ok.1)}));
        let error = self.schema::<api::ErrorBody>();
        let too_large = route.request.as_ref().map(|_| "413");
        for code in route.errors.iter().copied().chain(too_large) {
            responses.insert(
                code.into(),
                json!({"description": "See error and message.", "content": content(error.clone())}),
            );
        }
        let security = match route.who {
            "account" => json!([{"basic": []}]),
            "job" => json!([{"jobToken": []}]),
            _ => json!([]),
        };
        let mut operation = json!({
            "summary": route.summary,
            "operationId": operation_id(route.method, route.path),
            "security": security,
            "responses": responses,
        });
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        if let Some(request) = route.request {
            operation["requestBody"] = json!({"required": true, "content": content(request)});
        }
        let path = self.paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        path[route.method] = operation;
    }
}

fn operation_id(method: &str, path: &str) -> String {
    let words = path.trim_start_matches("/api/v1/").replace(['/', '{', '}', '-', '.'], "_");
    format!("{method}_{}", words.trim_matches('_').replace("__", "_"))
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut b = Builder { generator: settings.into_generator(), paths: Map::new() };
    let text = json!({"type": "string"});
    let bytes = json!({"type": "string", "format": "binary"});
    let done = b.schema::<api::Done>();
    let jobs = b.schema::<Vec<api::JobView>>();
    let job = b.schema::<api::JobView>();
    let servers = b.schema::<Vec<api::ServerView>>();
    let server = b.schema::<api::ServerView>();
    let status = b.schema::<api::StatusView>();
    let plan = b.schema::<Plan>();
    let (job_request, job_accepted) = (b.schema::<api::JobRequest>(), b.schema::<api::JobAccepted>());
    let (permit_request, permit_answer) = (b.schema::<PermitRequest>(), b.schema::<PermitAnswer>());
    let (progress_body, progress_answer) = (b.schema::<ProgressBody>(), b.schema::<ProgressAnswer>());
    let (webhook_body, webhook_answer) = (b.schema::<WebhookBody>(), b.schema::<WebhookAnswer>());
    let (apply, applied) = (b.schema::<api::ApplyRequest>(), b.schema::<api::ApplyOutcome>());
    let (pause, accept) = (b.schema::<api::PauseRequest>(), b.schema::<api::AcceptRequest>());
    let look = &["401", "403"][..];
    let find = &["401", "403", "404"][..];
    let act = &["400", "401", "403", "404", "409", "503"][..];
    let mut route = |method, path, summary, who, request, ok, errors| {
        b.add(Route { method, path, summary, who, request, ok, errors });
    };
    route("get", "/healthz", "The process answers.", "open", None, ("200", text.clone()), &[][..]);
    route(
        "get",
        "/readyz",
        "An inventory was read and decided on.",
        "open",
        None,
        ("200", text.clone()),
        &["503"][..],
    );
    route("get", "/metrics", "Prometheus metrics.", "account", None, ("200", text), look);
    route("get", "/api/v1/status", "The controller as a whole.", "account", None, ("200", status), look);
    route("get", "/api/v1/plan", "The plan now.", "account", None, ("200", plan), &["401", "403", "503"][..]);
    route("get", "/api/v1/servers", "Every server.", "account", None, ("200", servers), look);
    route(
        "get",
        "/api/v1/servers/{name}",
        "One server: what, why, and what next.",
        "account",
        None,
        ("200", server),
        find,
    );
    route(
        "get",
        "/api/v1/jobs",
        "Every job that is kept, without events.",
        "account",
        None,
        ("200", jobs),
        look,
    );
    route("get", "/api/v1/jobs/{id}", "One job with its events.", "account", None, ("200", job), find);
    route(
        "post",
        "/api/v1/jobs",
        "Starts the pending plan entry of a server now.",
        "account",
        Some(job_request),
        ("202", job_accepted),
        act,
    );
    route(
        "post",
        "/api/v1/jobs/{id}/cancel",
        "Ends a job; after the permit it finishes, then is held.",
        "account",
        None,
        ("200", done.clone()),
        act,
    );
    route(
        "post",
        "/api/v1/servers/{name}/retry",
        "Lets a failed server go on.",
        "account",
        None,
        ("200", done.clone()),
        act,
    );
    route(
        "post",
        "/api/v1/reconcile",
        "Fetches and plans now.",
        "account",
        None,
        ("200", done.clone()),
        &["401", "403", "502"][..],
    );
    route(
        "post",
        "/api/v1/pause",
        "No new job and no new permit.",
        "account",
        Some(pause),
        ("200", done.clone()),
        act,
    );
    route(
        "post",
        "/api/v1/accept",
        "Takes a rewritten branch.",
        "account",
        Some(accept),
        ("200", done.clone()),
        act,
    );
    route(
        "post",
        "/api/v1/takeover",
        "Takes over from another controller.",
        "account",
        None,
        ("200", done.clone()),
        act,
    );
    route(
        "post",
        "/api/v1/status/rebuild",
        "Writes the status branch anew from the database, where it differs.",
        "account",
        None,
        ("200", done),
        &["401", "403", "409", "502"][..],
    );
    route(
        "get",
        "/api/v1/backup",
        "A backup of the database, one moment of it. Whole only with the digest that it ends with.",
        "account",
        None,
        ("200", bytes),
        &["401", "403", "409", "503"][..],
    );
    route(
        "post",
        "/api/v1/apply",
        "Pins a plan and lets it go on now.",
        "account",
        Some(apply),
        ("200", applied),
        act,
    );
    route(
        "post",
        "/api/v1/jobs/{id}/permit",
        "A machine asks whether it may write.",
        "job",
        Some(permit_request),
        ("200", permit_answer),
        &["400", "401", "429", "503"][..],
    );
    route(
        "post",
        "/api/v1/jobs/{id}/progress",
        "A machine says how far it is.",
        "job",
        Some(progress_body),
        ("200", progress_answer),
        &["400", "401", "409", "429"][..],
    );
    route(
        "post",
        "/api/v1/status-webhook/{serial}",
        "A machine reports.",
        "job",
        Some(webhook_body),
        ("200", webhook_answer),
        &["400", "401", "404", "429", "503"][..],
    );
    let schemas = b.generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Shoal",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The controller's API. Media are served by listeners of their own.",
            "license": {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"},
        },
        "paths": b.paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "jobToken": {"type": "http", "scheme": "bearer", "description": "The token of a job's attempt; the webhook takes it as X-Webhook-Secret too."},
            },
        },
    })
}

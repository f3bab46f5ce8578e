//! The document of the API, `/openapi.json`, and the page that shows it, `/docs`.
//!
//! Paths, parameters, bodies and prose are at the handlers. What every operation has is added here: the
//! host's errors, examples and headers.

mod errors;
mod examples;
pub(crate) mod params;
pub(crate) mod schemas;
#[cfg(test)]
mod tests;

use self::examples::{Answer, Examples};
use self::schemas::RefusalAnswer;
use super::{no_path, trace};
use axum::Router;
use axum::body::Body;
use axum::middleware::map_response;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Uri, header};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::server::{ServerBuilder, ServerVariableBuilder};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Required, Response,
    ResponseBuilder, Server, Type,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_swagger_ui::{Config, SwaggerUi};

const JSON: &str = "application/json";
/// Below it are the operations of CNSP.
const CNSP: &str = "/apiv1/";

const TAGS: [(&str, &str); 7] = [
    ("discovery", "What endpoints offer."),
    ("account", "Accounts, their users, and the seats of users."),
    ("resource", "What customers buy: create, change, suspend, reactivate, delete."),
    ("catalog", "What can be bought, at which price."),
    ("health", "How endpoints and resources are."),
    ("billing", "What was used."),
    ("operator", "For whoever runs the host."),
];

/// `/openapi.json` and `/docs`, open to everybody.
pub(super) fn router<S: Clone + Send + Sync + 'static>(document: &OpenApi) -> Router<S> {
    let text = serde_json::to_vec(document).map(Bytes::from).unwrap_or_else(|error| {
        // It has texts for keys and no numbers that JSON lacks, so this is for the compiler.
        tracing::error!(%error, "the OpenAPI document cannot be written");
        Bytes::from_static(b"{}")
    });
    let serve = move || {
        let text = text.clone();
        async move { ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-cache")], text) }
    };
    // Without "none" the page asks a public service for a badge.
    let config = Config::from("/openapi.json").validator_url("none").use_base_layout().filter(true);
    let docs = Router::from(SwaggerUi::new("/docs").config(config)).layer(map_response(enveloped));
    Router::new().route("/openapi.json", get(serve)).merge(docs)
}

/// What the page does not have it refuses without a body. A method that it does not have is refused by us.
async fn enveloped(uri: Uri, response: http::Response<Body>) -> http::Response<Body> {
    let is_bare = response.headers().get(header::CONTENT_TYPE).is_none_or(|of| of != JSON);
    match response.status().is_client_error() && is_bare {
        true => trace::refuse(&no_path(&uri)),
        false => response,
    }
}

/// Adds to the operations, as the handlers describe them, what the whole API has in common.
pub(super) fn complete(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("cnsp")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi/description.md")))
        .build();
    document.servers = Some(servers());
    let tag = |(name, text)| TagBuilder::new().name(name).description(Some(text)).build();
    document.tags = Some(TAGS.into_iter().map(tag).collect());
    document.security = Some(vec![SecurityRequirement::new::<_, [&str; 0], &str>("basic", [])]);
    let basic = HttpBuilder::new().scheme(HttpAuthScheme::Basic).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("basic", SecurityScheme::Http(basic));
    let mut schemas = Vec::new();
    RefusalAnswer::schemas(&mut schemas);
    schemas.push((RefusalAnswer::name().into_owned(), RefusalAnswer::schema()));
    components.schemas.extend(schemas);
    let mut all: BTreeMap<_, _> =
        examples::all().into_iter().map(|of| (of.operation, of)).collect();
    for (path, item) in &mut document.paths.paths {
        if !path.starts_with(CNSP) {
            item.servers = Some(vec![Server::new("/")]);
        }
        for (method, operation) in operations(item) {
            let examples = operation.operation_id.as_deref().and_then(|id| all.remove(id));
            fill(path, &method, operation, examples);
        }
    }
    document
}

/// The paths are whole, so that each is an address as it stands. A prefix with a variable is a second server
/// and not a second copy of every path: Swagger UI shows it as a choice with a box for the endpoint, and the
/// generators of clients make one method per operation of it, not two.
fn servers() -> Vec<Server> {
    let unified = ServerBuilder::new()
        .url("/")
        .description(Some("Unified: the endpoint is in a header, or found out."))
        .build();
    let endpoint = ServerVariableBuilder::new()
        .default_value("acme")
        .description(Some("The id of an endpoint that you may use."));
    let one = ServerBuilder::new()
        .url("/endpoints/{endpoint}")
        .description(Some("One endpoint, named by the address."))
        .parameter("endpoint", endpoint)
        .build();
    vec![unified, one]
}

/// The operations of a path, each with its method.
fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let PathItem { get, put, post, delete, .. } = item;
    let all =
        [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete)];
    all.into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// Adds examples, the host's errors and headers to one operation.
fn fill(path: &str, method: &Method, operation: &mut Operation, examples: Option<Examples>) {
    let cnsp = path.starts_with(CNSP);
    let change = method != Method::GET;
    let kind = examples.as_ref().map(|examples| examples.kind);
    if let Some(examples) = examples {
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            // A DELETE may say everything in its query.
            let required = if method == Method::DELETE { Required::False } else { Required::True };
            body.required = Some(required);
            if let Some(RefOr::T(content)) = body.content.get_mut(JSON) {
                let requests = examples.requests.into_iter();
                content
                    .examples
                    .extend(requests.map(|one| (one.name, example(one.summary, one.body))));
            }
        }
        examples.answers.into_iter().for_each(|answer| add(operation, answer));
        if change {
            let instance = path.ends_with("/resource").then_some("ins-77aa01");
            add(operation, examples::pending(examples.kind, instance));
        }
    }
    // What needs no password says so itself.
    let open = operation.security.is_some();
    for (code, on, text) in errors::ERRORS {
        if !open && on.covers(cnsp, change, path.contains("{id}")) {
            add(operation, examples::error(kind, code, text));
        }
    }
    if cnsp {
        let text = "The provider refused with a `respcode` of its own choice, 400 to 599.";
        operation.responses.responses.insert("default".to_owned(), refusal(text));
    }
    headers(operation, cnsp && change);
}

fn example(summary: String, value: Value) -> RefOr<Example> {
    ExampleBuilder::new().summary(summary).value(Some(value)).build().into()
}

/// A response that the handler does not describe.
fn refusal(description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name(RefusalAnswer::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(JSON, content).build().into()
}

/// Adds an example to the response of its status.
fn add(operation: &mut Operation, answer: Answer) {
    let responses = &mut operation.responses.responses;
    let response = responses.entry(answer.status.to_string());
    let response = response.or_insert_with(|| refusal(errors::meaning(answer.status)));
    if let RefOr::T(response) = response
        && let Some(RefOr::T(content)) = response.content.get_mut(JSON)
    {
        content.examples.insert(answer.name, example(answer.summary, answer.body));
    }
}

fn headers(operation: &mut Operation, change: bool) {
    let parameters = operation.parameters.iter().flatten();
    let paged =
        parameters.into_iter().any(|one| matches!(one, RefOr::T(one) if one.name == "limit"));
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let mut header = |name: &str, text: &str| {
            let schema = ObjectBuilder::new().schema_type(Type::String);
            let header = HeaderBuilder::new().schema(Some(schema)).description(Some(text)).build();
            response.headers.insert(name.to_owned(), header.into());
        };
        header("X-Request-Id", "The id of this call in the host's log.");
        match status.as_str() {
            "401" => header("WWW-Authenticate", "Asks for HTTP Basic."),
            "409" | "429" | "503" | "504" | "default" => {
                header(
                    "Retry-After",
                    "After how many seconds to try again. Not there where waiting does not help.",
                );
            }
            "200" | "201" if change => {
                let text = "`true`: this is the answer of the first request with this request id.";
                header("Idempotent-Replayed", text);
            }
            "200" if paged => {
                header(
                    "Link",
                    "`<address>; rel=\"next\"`: the next page. Not there on the last one.",
                );
            }
            _ => {}
        }
    }
}

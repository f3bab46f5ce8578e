//! The shapes of answers, for the document alone. What the handlers send is put together from the types of
//! `model`; what CNSP puts around them is described here.

use crate::model::*;
use std::borrow::Cow;
use std::marker::PhantomData;
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder};
use utoipa::openapi::{Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

type Schemas = Vec<(String, RefOr<Schema>)>;

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn property(kind: Type, description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(kind).description(Some(description))
}

/// CNSP's envelope around `T`.
pub(crate) struct Envelope<T>(PhantomData<T>);

impl<T: ToSchema> PartialSchema for Envelope<T> {
    fn schema() -> RefOr<Schema> {
        let respcode = property(
            Type::Integer,
            "What came of it. Usually the HTTP status as well: see the top of this page.",
        );
        let respcode = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("respcode", respcode)
            .required("respcode");
        let response = AllOfBuilder::new().item(respcode).item(reference::<T>());
        let result = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("providerresponse", response)
            .required("providerresponse")
            .property("success", property(Type::Boolean, "Whether it was done."))
            .required("success")
            .property("message", property(Type::String, "The outcome, in one sentence for people."))
            .required("message");
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("result", result)
            .required("result")
            .into()
    }
}

impl<T: ToSchema> ToSchema for Envelope<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Answer", T::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        add::<T>(schemas);
    }
}

/// One shape or the other. `anyOf`, since an object may fit both.
pub(crate) struct Either<A, B>(PhantomData<(A, B)>);

impl<A: ToSchema, B: ToSchema> PartialSchema for Either<A, B> {
    fn schema() -> RefOr<Schema> {
        AnyOfBuilder::new().item(reference::<A>()).item(reference::<B>()).into()
    }
}

impl<A: ToSchema, B: ToSchema> ToSchema for Either<A, B> {
    fn name() -> Cow<'static, str> {
        format!("{}Or{}", A::name(), B::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        add::<A>(schemas);
        add::<B>(schemas);
    }
}

/// An item with the endpoint that it is from.
pub(crate) struct FromEndpoint<T>(PhantomData<T>);

impl<T: ToSchema> PartialSchema for FromEndpoint<T> {
    fn schema() -> RefOr<Schema> {
        let endpoint =
            property(Type::String, "Where it is from. Only when all endpoints were asked.");
        let endpoint =
            ObjectBuilder::new().schema_type(Type::Object).property("endpoint", endpoint);
        AllOfBuilder::new().item(reference::<T>()).item(endpoint).into()
    }
}

impl<T: ToSchema> ToSchema for FromEndpoint<T> {
    fn name() -> Cow<'static, str> {
        format!("{}FromEndpoint", T::name()).into()
    }

    fn schemas(schemas: &mut Schemas) {
        add::<T>(schemas);
    }
}

/// Why something was not done.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Refusal {
    /// What happened, why, and what to do.
    errormessage: String,
    /// The same text again: CNSP's samples spell this key in two ways.
    #[schema(rename = "errorMessage")]
    error_message: String,
    /// A stable code: one of the host's, or the provider's own. A provider may have none.
    errorcode: Option<String>,
}

/// The provider has accepted the work and has not finished it.
#[derive(ToSchema)]
#[schema(as = Pending)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct PendingWork {
    /// The instance that is created or changed, where it is one.
    providerinstanceid: Option<String>,
    /// `pending`. Repeat the request with the same request id, or read the resource, to see it end.
    status: String,
}

/// An endpoint that did not answer when all were asked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FailedEndpoint {
    endpoint: String,
    respcode: u16,
    message: String,
    errormessage: String,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FoundAccount {
    accountinfo: AccountInfo,
}

type AccountFromEndpoint = FromEndpoint<AccountInfo>;

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ListedAccounts {
    accounts: Vec<AccountFromEndpoint>,
    /// The endpoints that are missing. Only when all endpoints were asked and some did not answer.
    partial: Option<Vec<FailedEndpoint>>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FoundUser {
    userinfo: UserInfo,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ListedUsers {
    users: Vec<UserInfo>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct FoundResource {
    resourceinfo: ResourceInfo,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ListedResources {
    resources: Vec<ResourceInfo>,
}

type OfferingFromEndpoint = FromEndpoint<Offering>;

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ListedOfferings {
    resources: Vec<OfferingFromEndpoint>,
    /// The endpoints that are missing. Only when all endpoints were asked and some did not answer.
    partial: Option<Vec<FailedEndpoint>>,
}

type ArtifactFromEndpoint = FromEndpoint<Artifact>;

/// What one endpoint says about itself, beside its artifacts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct EndpointDescription {
    endpoint: String,
    spversion: String,
    capabilities: Vec<String>,
}

/// What all endpoints offer together.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct DescriptionOfAll {
    resources: Vec<ArtifactFromEndpoint>,
    endpoints: Vec<EndpointDescription>,
    /// The endpoints that are missing, if some did not answer.
    partial: Option<Vec<FailedEndpoint>>,
}

type CheckFromEndpoint = FromEndpoint<HealthCheck>;

#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct Health {
    /// `ok`, `degraded` or `down`. Of several endpoints: `ok` when all are, `down` when all are.
    status: String,
    checks: Vec<CheckFromEndpoint>,
    /// The endpoints that could not be asked. Only when all endpoints were asked.
    partial: Option<Vec<FailedEndpoint>>,
}

// utoipa names a generic type by its parameters' tokens; an alias is named by the type itself.
pub(crate) type ResourceChange = Either<UpdateResource, ActOnResource>;
pub(crate) type RefusalAnswer = Envelope<Refusal>;
pub(crate) type PendingAnswer = Envelope<PendingWork>;
pub(crate) type AccountChanged = Envelope<Either<AccountIds, PendingWork>>;
pub(crate) type AccountFound = Envelope<FoundAccount>;
pub(crate) type AccountsListed = Envelope<ListedAccounts>;
pub(crate) type UserCreated = Envelope<UserIds>;
pub(crate) type UserChanged = Envelope<Either<UserIds, PendingWork>>;
pub(crate) type UserFound = Envelope<Either<FoundUser, ListedUsers>>;
pub(crate) type SeatChanged = Envelope<Either<SeatIds, PendingWork>>;
pub(crate) type ResourceCreated = Envelope<Either<CreatedResource, PendingWork>>;
pub(crate) type ResourceChanged = Envelope<Either<ResourceIds, PendingWork>>;
pub(crate) type ResourceFound = Envelope<Either<FoundResource, ListedResources>>;
pub(crate) type CatalogListed = Envelope<ListedOfferings>;
pub(crate) type UsageFound = Envelope<UsageFeed>;
pub(crate) type Described = Envelope<Either<Description, DescriptionOfAll>>;
pub(crate) type HealthChecked = Envelope<Health>;

//! The broker's plans as CNSP's offerings.

use crate::broker::Broker;
use crate::catalog::{Catalog, Plan, Service};
use crate::instance::TYPE;
use crate::schema::{Choice, Options, When};
use crate::sold::{self, Sold};
use crate::{check, price, settings};
use cnsp_sdk::types::*;
use cnsp_sdk::{Failure, OpenMapExt};
use serde_json::{Map, Value, json};

/// As many as a page may have.
const OFFERINGS_MAX: usize = 1000;

pub(crate) fn list(page: Page) -> Result<CatalogPage, Failure> {
    let catalog = Catalog::fetch(&Broker::open()?)?;
    let gone = sold::gone(|plan_id| catalog.plan(plan_id).is_some())?;
    // Only those of this page are written out.
    let offered = catalog.all().map(Row::Offered);
    let rows: Vec<Row<'_>> = offered.chain(gone.iter().map(Row::Gone)).collect();
    let begin = match &page.after {
        None => 0,
        Some(sku) => {
            let before = rows.iter().position(|row| row.sku() == sku);
            1 + before.ok_or_else(|| Failure::invalid("`after` is not a cursor of this list."))?
        }
    };
    let limit = page.limit.map_or(OFFERINGS_MAX, |limit| limit as usize).clamp(1, OFFERINGS_MAX);
    let shown: Vec<&Row<'_>> = rows.iter().skip(begin).take(limit).collect();
    let more = rows.len() > begin.saturating_add(shown.len());
    let next = shown.last().filter(|_| more).map(|row| row.sku().to_owned());
    Ok(CatalogPage { resources: shown.into_iter().map(Row::offering).collect(), next })
}

enum Row<'a> {
    Offered((&'a Service, &'a Plan)),
    Gone(&'a Sold),
}

impl Row<'_> {
    fn sku(&self) -> &str {
        match self {
            Self::Offered((_, plan)) => &plan.id,
            Self::Gone(sold) => &sold.plan_id,
        }
    }

    fn offering(&self) -> Offering {
        match self {
            Self::Offered((service, plan)) => offered(service, plan),
            Self::Gone(sold) => no_longer_offered(sold),
        }
    }
}

/// A text of a service's or plan's metadata.
fn text(metadata: &Option<Map<String, Value>>, key: &str) -> Option<String> {
    let text = metadata.as_ref()?.get(key)?.as_str()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

/// `provider.name` of the older conventions, or `providerDisplayName`.
fn vendor(service: &Service) -> Option<String> {
    let provider = service.metadata.as_ref().and_then(|metadata| metadata.get("provider"));
    let name = provider.and_then(|provider| provider.get("name")).and_then(Value::as_str);
    name.map(str::to_owned).or_else(|| text(&service.metadata, "providerDisplayName"))
}

/// Text as HTML: `description` is shown as such.
fn html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn offered(service: &Service, plan: &Plan) -> Offering {
    let options = plan.options();
    let licence = options.declared(&settings::licence_parameter(), When::Create);
    let bound = |key: &str| {
        let number = licence?.schema.get(key)?.as_u64()?;
        Some(number.to_string())
    };
    let long = text(&service.metadata, "longDescription");
    let long = long.as_deref().unwrap_or(&service.description);
    let tags = service.tags.as_ref().map(|tags| tags.join(", "));
    let mut offering = Offering {
        resource: OfferingKind {
            type_: TYPE.to_owned(),
            fulfillmenttype: Some("automatic".to_owned()),
            vendor: vendor(service),
            region: None,
            isaccountrequired: Some(true),
            other: Vec::new(),
        },
        parameters: OfferingParameters {
            sku: plan.id.clone(),
            name: plan.display_name(service),
            description: Some(format!("<p>{}</p><p>{}</p>", html(long), html(&plan.description))),
            shortdescription: Some(plan.description.clone()),
            metakeywords: tags.filter(|tags| !tags.is_empty()),
            saasurl: text(&service.metadata, "documentationUrl"),
            faqurl: text(&service.metadata, "supportUrl"),
            minpurchasequantity: bound("minimum"),
            maxpurchasequantity: bound("maximum"),
            isenabled: Some(true),
            ..OfferingParameters::default()
        },
        additionalparameters: additional(service, plan, &options),
        chargeattributes: price::charges(plan),
        other: Vec::new(),
    };
    offering.parameters.plantype = offering.chargeattributes.first().map(|charge| {
        let price = charge.subscriptionserviceterm.sellprice.as_ref();
        price.map_or("month", |price| price.billingperiodunit.as_str()).to_owned()
    });
    offering
}

fn additional(service: &Service, plan: &Plan, options: &Options) -> OpenMap {
    let mut map = OpenMap::new();
    for (number, choice) in (1..).zip(options.shown()) {
        map.put(format!("customoption{number}"), option(choice));
    }
    if let Some(problem) = &options.problem {
        map.put("schemaproblem", problem);
    }
    map.put("service", &service.name);
    map.put("plan", &plan.name);
    map.put("seats", plan.is_bindable(service));
    map.put("planupdateable", plan.is_updateable(service));
    map.put("suspendable", options.switch(&settings::suspend_parameter()).is_some());
    if let Some(bullets) = plan.metadata.as_ref().and_then(|metadata| metadata.get("bullets")) {
        map.put("bullets", bullets);
    }
    map
}

fn option(choice: &Choice) -> Value {
    let mut option = json!({
        "name": choice.name,
        "title": choice.title().unwrap_or(&choice.name),
        "required": choice.required,
        "oncreate": choice.on_create,
        "onupdate": choice.on_update,
    });
    let members = [
        ("type", "type"),
        ("description", "description"),
        ("enum", "values"),
        ("default", "default"),
        ("minimum", "minimum"),
        ("maximum", "maximum"),
    ];
    if let Some(option) = option.as_object_mut() {
        for (from, to) in members {
            if let Some(value) = choice.schema.get(from) {
                option.insert(to.to_owned(), value.clone());
            }
        }
    }
    option
}

/// Instances of it live on, and nobody can buy another.
fn no_longer_offered(sold: &Sold) -> Offering {
    let mut additionalparameters = OpenMap::new();
    additionalparameters.put("nolongeroffered", true);
    Offering {
        resource: OfferingKind {
            type_: TYPE.to_owned(),
            isaccountrequired: Some(true),
            ..OfferingKind::default()
        },
        parameters: OfferingParameters {
            sku: sold.plan_id.clone(),
            name: check::said(&sold.name),
            isenabled: Some(false),
            ..OfferingParameters::default()
        },
        additionalparameters,
        chargeattributes: Vec::new(),
        other: Vec::new(),
    }
}

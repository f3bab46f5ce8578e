//! BillingStack v2: customers, plans, products, subscriptions and usage of one merchant.

use crate::id::Id;
use crate::settings::{MERCHANT_SECRET, Settings};
use crate::upstream::{Call, Refusal, Service, Trouble, encode};
use cnsp_sdk::Failure;
use cnsp_sdk::http::Request;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};

/// A customer. Lists of them have those of every merchant.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Customer {
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) name: Option<String>,
    merchant_id: Id,
    #[serde(default)]
    contact_info: Option<Vec<Contact>>,
}

/// Whom to write to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Contact {
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) address1: Option<String>,
    pub(crate) address2: Option<String>,
    pub(crate) address3: Option<String>,
    pub(crate) locality: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) country_name: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) email: Option<String>,
    /// Ours says which operation made the customer: nothing else of a customer can.
    pub(crate) website: Option<String>,
}

impl Customer {
    pub(crate) fn contact(&self) -> Contact {
        let first = self.contact_info.as_ref().and_then(|list| list.first());
        first.cloned().unwrap_or_default()
    }
}

/// A subscription. It has no status, and no quantity.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: Id,
    pub(crate) customer_id: Id,
    pub(crate) plan_id: Id,
    /// The tenant; or the placeholder, while there is none.
    pub(crate) resource_id: String,
}

/// A plan.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) properties: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) items: Option<Vec<Item>>,
}

/// What a plan has of a product.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Item {
    pub(crate) product_id: Id,
    /// Free-form: what is not understood is not sold.
    #[serde(default, alias = "rules")]
    pub(crate) pricing: Value,
}

/// What is measured.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Product {
    pub(crate) id: Id,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) properties: Option<Map<String, Value>>,
}

impl Product {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.as_ref()?.get(name)?.as_str()
    }
}

/// What was used. Its numbers are floats.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Used {
    pub(crate) id: Id,
    pub(crate) measure: String,
    pub(crate) start_timestamp: String,
    pub(crate) end_timestamp: String,
    pub(crate) value: Number,
    #[serde(default)]
    pub(crate) price: Option<Number>,
    #[serde(default)]
    pub(crate) total: Option<Number>,
    pub(crate) product_id: Id,
    pub(crate) subscription_id: Id,
}

/// What `resource_id` is until there is a tenant: it may not be empty.
pub(crate) fn placeholder(operation: &str) -> String {
    format!("pending:{operation}")
}

/// What a customer's website says that an operation has made.
pub(crate) fn website(operation: &str) -> String {
    format!("urn:cnsp:operation:{operation}")
}

/// BillingStack, as the merchant.
pub(crate) struct BillingStack<'a> {
    pub(crate) settings: &'a Settings,
}

impl BillingStack<'_> {
    fn call_at(&self, method: &str, below: &str, path: &str) -> Call {
        let Settings { billingstack, merchant, timeout, .. } = self.settings;
        let request = Request::new(method, format!("{billingstack}/{below}/{merchant}/{path}"))
            .header("Accept", "application/json")
            .basic(MERCHANT_SECRET);
        let request = match timeout {
            Some(timeout) => request.timeout(*timeout),
            None => request,
        };
        Call { service: Service::BillingStack, request, secret: false }
    }

    fn call(&self, method: &str, path: &str) -> Call {
        self.call_at(method, "merchants", path)
    }

    fn with_body(&self, mut call: Call, body: &Value) -> Result<Call, Failure> {
        call.request = call.request.json(body)?;
        Ok(call)
    }

    /// Step 4. Nothing at BillingStack keeps a second one from being made; what it is made for is known by its website.
    pub(crate) fn create_customer(
        &self,
        name: &str,
        contact: &Contact,
        operation: &str,
    ) -> Result<Customer, Trouble> {
        let ours = || {
            let path = format!("customers?q.field=name&q.op=eq&q.value={}", encode(name));
            let mark = website(operation);
            let is_ours = |customer: &Customer| customer.contact().website.as_ref() == Some(&mark);
            Ok(self.own_customers(&path)?.into_iter().find(is_ours))
        };
        let body = json!({
            "name": name,
            "currency": self.settings.currency,
            "contact_info": [contact],
        });
        let below = &self.settings.create_customer_below;
        let called = format!("a customer with the website {}", website(operation));
        self.with_body(self.call_at("POST", below, "customers"), &body)?.make(&called, ours)
    }

    fn own_customers(&self, path: &str) -> Result<Vec<Customer>, Failure> {
        // Whatever the path says, BillingStack lists the customers of all merchants.
        let mut all: Vec<Customer> = self.call("GET", path).get()?;
        all.retain(|customer| customer.merchant_id == self.settings.merchant);
        Ok(all)
    }

    pub(crate) fn customers(&self) -> Result<Vec<Customer>, Failure> {
        self.own_customers("customers")
    }

    pub(crate) fn customer(&self, customer: &Id) -> Result<Option<Customer>, Failure> {
        let found: Option<Customer> = self.call("GET", &format!("customers/{customer}")).find()?;
        Ok(found.filter(|customer| customer.merchant_id == self.settings.merchant))
    }

    pub(crate) fn change_customer(
        &self,
        customer: &Id,
        name: &str,
        contact: &Contact,
    ) -> Result<(), Refusal> {
        let body = json!({ "name": name, "contact_info": [contact] });
        let call = self.with_body(self.call("PATCH", &format!("customers/{customer}")), &body);
        call.map_err(|failure| Refusal { status: None, failure })?.set().map(drop)
    }

    pub(crate) fn delete_customer(&self, customer: &Id) -> Result<(), Failure> {
        self.call("DELETE", &format!("customers/{customer}")).delete()
    }

    pub(crate) fn plans(&self) -> Result<Vec<Plan>, Failure> {
        self.call("GET", "plans").get()
    }

    pub(crate) fn plan(&self, plan: &Id) -> Result<Option<Plan>, Failure> {
        self.call("GET", &format!("plans/{plan}")).find()
    }

    pub(crate) fn products(&self) -> Result<Vec<Product>, Failure> {
        self.call("GET", "products").get()
    }

    /// Step 9. `body` has the placeholder, by which it is found again.
    pub(crate) fn create_subscription(
        &self,
        body: &Value,
        placeholder: &str,
    ) -> Result<Subscription, Trouble> {
        let call = self.with_body(self.call("POST", "subscriptions"), body)?;
        call.make(&format!("a subscription with the resource {placeholder}"), || {
            let path = format!(
                "subscriptions?q.field=resource_id&q.op=eq&q.value={}",
                encode(placeholder)
            );
            let listed: Vec<Subscription> = self.call("GET", &path).get()?;
            Ok(listed.into_iter().find(|subscription| subscription.resource_id == placeholder))
        })
    }

    pub(crate) fn subscriptions_of(&self, customer: &Id) -> Result<Vec<Subscription>, Failure> {
        let path = format!("subscriptions?q.field=customer_id&q.op=eq&q.value={customer}");
        let mut listed: Vec<Subscription> = self.call("GET", &path).get()?;
        listed.retain(|subscription| subscription.customer_id == *customer);
        Ok(listed)
    }

    pub(crate) fn subscription(&self, subscription: &Id) -> Result<Option<Subscription>, Failure> {
        self.call("GET", &format!("subscriptions/{subscription}")).find()
    }

    /// Step 12.
    pub(crate) fn set_resource(&self, subscription: &Id, tenant: &Id) -> Result<(), Refusal> {
        let path = format!("subscriptions/{subscription}");
        let call = self.with_body(self.call("PATCH", &path), &json!({ "resource_id": tenant }));
        call.map_err(|failure| Refusal { status: None, failure })?.set().map(drop)
    }

    pub(crate) fn delete_subscription(&self, subscription: &Id) -> Result<(), Failure> {
        self.call("DELETE", &format!("subscriptions/{subscription}")).delete()
    }

    /// All that there is of the merchant: what narrows it down is in the caller.
    pub(crate) fn usage(&self) -> Result<Vec<Used>, Failure> {
        self.call("GET", "usage").get()
    }
}

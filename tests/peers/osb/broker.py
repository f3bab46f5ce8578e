"""A service broker made with openbrokerapi, for the tests of the adapter: notes, at once or in the background.

Started with USER:PASSWORD, it prints its port and serves until it is ended, or until nobody reads its input any more.
"""

import os
import sys
import threading

from flask import Flask
from openbrokerapi import errors
from openbrokerapi.api import BrokerCredentials, get_blueprint
from openbrokerapi.catalog import Schemas, ServicePlan
from openbrokerapi.service_broker import (
    BindState,
    Binding,
    DeprovisionServiceSpec,
    GetBindingSpec,
    GetInstanceDetailsSpec,
    LastOperation,
    OperationState,
    ProvisionState,
    ProvisionedServiceSpec,
    Service,
    ServiceBroker,
    UnbindSpec,
    UpdateServiceSpec,
)
from werkzeug.serving import make_server

SCHEMA = {
    "parameters": {
        "$schema": "http://json-schema.org/draft-06/schema#",
        "type": "object",
        "properties": {"colour": {"type": "string"}},
    }
}
COLOURS = {"blue", "red"}


def plan(id, name):
    schemas = Schemas(service_instance={"create": SCHEMA, "update": SCHEMA})
    return ServicePlan(id=id, name=name, description="Notes", free=True, schemas=schemas)


class Notes(ServiceBroker):
    def __init__(self):
        self.instances = {}
        self.bindings = {}
        # How often each operation is still in progress, and what is then to be done.
        self.running = {}

    def catalog(self):
        return Service(
            id="note-service",
            name="notes",
            description="Notes",
            bindable=True,
            instances_retrievable=True,
            bindings_retrievable=True,
            plans=[plan("note-plan", "at-once"), plan("slow-plan", "in-the-background")],
        )

    def later(self, then):
        operation = f"operation {len(self.running) + 1} & more"
        self.running[operation] = [2, then]
        return operation

    def progress(self, operation):
        if operation not in self.running:
            raise errors.ErrBadRequest(f"{operation!r} is no operation")
        work = self.running[operation]
        if work[0] > 0:
            work[0] -= 1
            return LastOperation(OperationState.IN_PROGRESS)
        work[1]()
        return LastOperation(OperationState.SUCCEEDED, "done")

    def check(self, parameters):
        colour = (parameters or {}).get("colour", "blue")
        if colour not in COLOURS:
            raise errors.ErrInvalidParameters(f"there is no colour {colour}")

    def provision(self, instance_id, details, async_allowed, **kwargs):
        self.check(details.parameters)
        if details.originating_identity["platform"] != details.context["platform"]:
            raise errors.ErrInvalidParameters("two platforms")
        new = {"plan": details.plan_id, "service": details.service_id, "parameters": details.parameters or {}}
        if instance_id in self.instances:
            if self.instances[instance_id] != new:
                raise errors.ErrInstanceAlreadyExists()
            return ProvisionedServiceSpec(ProvisionState.IDENTICAL_ALREADY_EXISTS)
        self.instances[instance_id] = new
        if details.plan_id == "slow-plan":
            return ProvisionedServiceSpec(ProvisionState.IS_ASYNC, operation=self.later(lambda: None))
        return ProvisionedServiceSpec(ProvisionState.SUCCESSFUL_CREATED)

    def update(self, instance_id, details, async_allowed, **kwargs):
        self.check(details.parameters)

        def apply():
            self.instances[instance_id]["parameters"].update(details.parameters or {})

        if self.instances[instance_id]["plan"] == "slow-plan":
            return UpdateServiceSpec(True, self.later(apply))
        apply()
        return UpdateServiceSpec(False)

    def deprovision(self, instance_id, details, async_allowed, **kwargs):
        if instance_id not in self.instances:
            raise errors.ErrInstanceDoesNotExist()
        if any(instance == instance_id for instance, _ in self.bindings):
            raise errors.ErrBadRequest("it is bound")
        if self.instances[instance_id]["plan"] == "slow-plan":
            return DeprovisionServiceSpec(True, self.later(lambda: self.instances.pop(instance_id)))
        del self.instances[instance_id]
        return DeprovisionServiceSpec(False)

    def bind(self, instance_id, binding_id, details, async_allowed, **kwargs):
        note = {"note": f"of {details.bind_resource.app_guid}"}
        self.bindings[(instance_id, binding_id)] = note
        if self.instances[instance_id]["plan"] == "slow-plan":
            return Binding(BindState.IS_ASYNC, operation=self.later(lambda: None))
        return Binding(BindState.SUCCESSFUL_BOUND, credentials=note)

    def unbind(self, instance_id, binding_id, details, async_allowed, **kwargs):
        if (instance_id, binding_id) not in self.bindings:
            raise errors.ErrBindingDoesNotExist()
        if self.instances[instance_id]["plan"] == "slow-plan":
            return UnbindSpec(True, self.later(lambda: self.bindings.pop((instance_id, binding_id))))
        del self.bindings[(instance_id, binding_id)]
        return UnbindSpec(False)

    def get_instance(self, instance_id, **kwargs):
        if instance_id not in self.instances:
            raise errors.ErrInstanceDoesNotExist()
        found = self.instances[instance_id]
        return GetInstanceDetailsSpec(found["service"], found["plan"], parameters=found["parameters"])

    def get_binding(self, instance_id, binding_id, **kwargs):
        if (instance_id, binding_id) not in self.bindings:
            raise errors.ErrBindingDoesNotExist()
        return GetBindingSpec(credentials=self.bindings[(instance_id, binding_id)])

    def last_operation(self, instance_id, operation_data, service_id, plan_id, **kwargs):
        return self.progress(operation_data)

    def last_binding_operation(self, instance_id, binding_id, operation_data, service_id, plan_id, **kwargs):
        return self.progress(operation_data)


def main():
    user, password = sys.argv[1].split(":", 1)
    app = Flask(__name__)
    app.register_blueprint(get_blueprint(Notes(), BrokerCredentials(user, password), app.logger))
    server = make_server("127.0.0.1", 0, app)

    def end_with_parent():
        # The test holds the other end: it ends with the test, however that ends.
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=end_with_parent, daemon=True).start()
    print(server.server_port, flush=True)
    server.serve_forever()


main()

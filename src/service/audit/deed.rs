//! What the audit log tells of. The one table: what is named here is in the API's document and on the console's page.

/// What a change was made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    Instance,
    Link,
    User,
    Session,
    Organization,
    App,
    Webhook,
    Element,
    Key,
    Customer,
    Order,
}

impl SubjectKind {
    pub const ALL: [Self; 11] = [
        Self::Instance,
        Self::Link,
        Self::User,
        Self::Session,
        Self::Organization,
        Self::App,
        Self::Webhook,
        Self::Element,
        Self::Key,
        Self::Customer,
        Self::Order,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Link => "link",
            Self::User => "user",
            Self::Session => "session",
            Self::Organization => "organization",
            Self::App => "app",
            Self::Webhook => "webhook",
            Self::Element => "element",
            Self::Key => "key",
            Self::Customer => "customer",
            Self::Order => "order",
        }
    }

    pub fn read(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }

    /// The API's address of one of them, below the base path; none: the API has no such thing.
    pub fn address(self, id: Option<i64>) -> Option<String> {
        let id = id.map(|id| id.to_string()).unwrap_or_default();
        match self {
            Self::Instance => Some(format!("/instances/{id}")),
            Self::Link => Some(format!("/connect/links/{id}")),
            Self::User => Some(format!("/users/{id}")),
            Self::Session => Some("/authentication/sessions".to_owned()),
            Self::Organization => Some("/organizations/me".to_owned()),
            Self::App => Some(format!("/elements/{id}/app")),
            Self::Webhook => Some("/notifications/webhook".to_owned()),
            Self::Element => Some(format!("/elements/{id}")),
            Self::Key | Self::Customer | Self::Order => None,
        }
    }
}

macro_rules! actions {
    ($($variant:ident $name:literal $subject:ident $method:literal $words:literal;)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Deed { $($variant),* }

        impl Deed {
            pub const ALL: &'static [Deed] = &[$(Deed::$variant),*];

            /// As the log and the API call it; a name that was released stays.
            pub const fn name(self) -> &'static str {
                match self { $(Deed::$variant => $name),* }
            }

            pub const fn subject(self) -> SubjectKind {
                match self { $(Deed::$variant => SubjectKind::$subject),* }
            }

            /// With which method the API does it, or would.
            pub const fn method(self) -> &'static str {
                match self { $(Deed::$variant => $method),* }
            }

            /// For people.
            pub const fn words(self) -> &'static str {
                match self { $(Deed::$variant => $words),* }
            }
        }
    };
}

actions! {
    InstanceCreated "instance.created" Instance "POST" "Instance created";
    InstanceChanged "instance.changed" Instance "PATCH" "Instance changed";
    InstanceEnabled "instance.enabled" Instance "PUT" "Instance enabled";
    InstanceDisabled "instance.disabled" Instance "DELETE" "Instance disabled";
    InstanceAuthorised "instance.authorised" Instance "PUT" "Instance authorised anew";
    InstanceTokenReset "instance.tokenReset" Instance "POST" "Instance token reset";
    InstanceDeleted "instance.deleted" Instance "DELETE" "Instance deleted";
    InstanceEnded "instance.ended" Instance "DELETE" "Connection ended by the operator";
    InstanceErased "instance.erased" Instance "DELETE" "Instance erased by the operator";
    LinkCreated "link.created" Link "POST" "Connect link created";
    LinkAuthorised "link.authorised" Link "PUT" "Account connected by a link";
    LinkRevoked "link.revoked" Link "DELETE" "Connect link revoked";
    LinkErased "link.erased" Link "DELETE" "Connect link erased by the operator";
    UserCreated "user.created" User "POST" "Person added";
    UserChanged "user.changed" User "PATCH" "Person changed";
    UserEnabled "user.enabled" User "PATCH" "Person enabled";
    UserDisabled "user.disabled" User "PATCH" "Person disabled";
    UserRoleGranted "user.roleGranted" User "PUT" "Role granted";
    UserRoleRevoked "user.roleRevoked" User "DELETE" "Role revoked";
    UserPasswordSet "user.passwordSet" User "POST" "Password set";
    UserSecretReset "user.secretReset" User "POST" "User secret reset";
    UserSessionsEnded "user.sessionsEnded" User "DELETE" "Other sessions ended";
    UserRemoved "user.removed" User "DELETE" "Person removed";
    SessionBegun "session.begun" Session "POST" "Signed in to the console";
    SessionEnded "session.ended" Session "DELETE" "Session ended";
    OrganizationCreated "organization.created" Organization "POST" "Organization created";
    OrganizationChanged "organization.changed" Organization "PATCH" "Organization settings changed";
    OrganizationSecretReset "organization.secretReset" Organization "POST" "Organization secret reset";
    InstancesExported "instances.exported" Organization "GET" "Instances exported by the operator";
    OrganizationLimitsSet "organization.limitsSet" Organization "PATCH" "Limits set by the operator";
    AppSaved "app.saved" App "PUT" "OAuth app saved";
    AppDeleted "app.deleted" App "DELETE" "OAuth app deleted";
    WebhookSet "webhook.set" Webhook "PUT" "Webhook address set";
    WebhookRemoved "webhook.removed" Webhook "DELETE" "Webhook removed";
    WebhookSecretAdded "webhook.secretAdded" Webhook "POST" "Webhook secret added";
    WebhookSecretRemoved "webhook.secretRemoved" Webhook "DELETE" "Webhook secret removed";
    ElementTrusted "element.trusted" Element "PUT" "Element trusted by the operator";
    KeyRotated "key.rotated" Key "POST" "Keys rotated by the operator";
    CustomerForgotten "customer.forgotten" Customer "DELETE" "Customer forgotten by the operator";
    RevocationOrdered "order.given" Order "POST" "Revocation ordered by the operator";
}

impl Deed {
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name() == name)
    }
}

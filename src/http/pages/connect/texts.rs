//! Everything that the pages say, in one place.

pub const FOOTER: &str = "Connections are made with Ligand. Nobody here sees your password.";

/// What a page says: what happened, and what to do.
pub struct Notice {
    pub title: &'static str,
    pub happened: &'static str,
    pub advice: &'static str,
}

pub const UNKNOWN_LINK: Notice = Notice {
    title: "This link does not exist",
    happened: "The address is not that of a link, or a part of it got lost on the way.",
    advice: "Open the whole link again, as it was sent to you. If that does not help, ask for a new one.",
};
pub const EXPIRED: Notice = Notice {
    title: "This link has expired",
    happened: "A link works for a limited time, and this one’s is over. Nothing was connected.",
    advice: "Ask whoever sent it to you for a new one.",
};
pub const REVOKED: Notice = Notice {
    title: "This link was withdrawn",
    happened: "Whoever sent it to you has taken it back. Nothing was connected with it.",
    advice: "Ask for a new one if you still want to connect your account.",
};
pub const SPENT: Notice = Notice {
    title: "This link has been used",
    happened: "An account is connected already, and a link works once.",
    advice: "There is nothing left to do. To connect another account, ask for a new link.",
};
pub const LOST_SESSION: Notice = Notice {
    title: "This authorization is not known any more",
    happened: "It took too long, was finished already, or was never begun here. Nothing was changed.",
    advice: "Open the link that was sent to you again, and start anew.",
};
pub const REFUSED_THERE: Notice = Notice {
    title: "No access was given",
    happened: "You came back from the other system without an access: you did not agree there, or it refused. Nothing was \
               connected.",
    advice: "If that was a mistake, begin once more.",
};
pub const BEGUN_THERE: Notice = Notice {
    title: "Now connect from the application",
    happened: "You began in the other system, and what it sent was not used: a connection begins in the application that it is \
               for, which knows you. Nothing is connected yet.",
    advice: "Open the application, and connect your account there.",
};
pub const SENDING_ON: Notice = Notice {
    title: "One moment",
    happened: "You come back from the other system, and go on by yourself.",
    advice: "If nothing happens, press the button.",
};
pub const OTHER_BROWSER: Notice = Notice {
    title: "Go on in the browser where you began",
    happened: "You came back from the other system, but not in the browser that you left from, or its cookies are gone. \
               Nothing was connected.",
    advice: "Open the link that was sent to you again in this browser, and start anew.",
};
pub const OTHER_APP: Notice = Notice {
    title: "This answer came to the wrong address",
    happened: "The other system sent you to the address of another app than the one that you were to agree to. Nothing was connected.",
    advice: "Open the link that was sent to you again, and start anew. If it happens once more, tell whoever sent it to you.",
};
pub const COOKIES_BLOCKED: Notice = Notice {
    title: "Your browser does not keep cookies",
    happened: "One cookie is needed until you come back, so that nobody else can finish what you begin. Nothing was stored.",
    advice: "Allow cookies for this page, or open the link in another browser, outside of private mode.",
};
pub const TOO_MANY: Notice = Notice {
    title: "Too many attempts",
    happened: "From your network too many addresses were opened that do not exist.",
    advice: "Wait a minute, then open your link again.",
};
pub const NOT_SET_UP: Notice = Notice {
    title: "This connection is not set up yet",
    happened: "Whoever sent you the link has not finished the set-up for this system. It is nothing that you did.",
    advice: "Tell whoever sent it to you, and open the same link again later.",
};
pub const GONE: Notice = Notice {
    title: "The connection is gone",
    happened: "The connection that this link would have renewed was removed.",
    advice: "Ask whoever sent you the link for a new one.",
};
pub const TROUBLE: Notice = Notice {
    title: "Something went wrong here",
    happened: "The fault is ours, or passes by itself. Nothing that you did is lost.",
    advice: "Wait a moment, then open the link again.",
};
pub const NOTHING_OFFERED: Notice = Notice {
    title: "There is nothing to connect",
    happened: "The systems that this link was made for are no longer offered.",
    advice: "Ask whoever sent it to you for a new one.",
};

pub const CHOOSE: &str = "Which system do you want to connect?";
pub const CHOOSE_OTHER: &str = "Choose another system";
pub const BEFOREHAND: &str = "Before you start";
pub const NO_ACCOUNT: &str = "You have no account there yet? Make one first:";
pub const OPTIONAL: &str = "And, where your account has it";
pub const ENTER: &str = "What we need from you";
pub const CONNECT: &str = "Connect";
pub const TRY_AGAIN: &str = "Try again";
pub const CLOSE: &str = "Close this window";
pub const CLOSE_BY_HAND: &str = "You can close this window.";
pub const CHECK_AGAIN: &str = "Start again";
pub const OPEN_THE_LINK: &str = "Open the link again";
pub const GO_ON: &str = "Continue";
pub const SELECT: &str = "Choose …";

pub fn connect_to(element: &str, organization: &str) -> String {
    format!("Connect {element} to {organization}")
}

pub fn connect_account(organization: &str) -> String {
    format!("Connect an account to {organization}")
}

pub fn reconnect(element: &str, organization: &str) -> String {
    format!("Renew the connection of {element} to {organization}")
}

pub fn choose_account(account: &str) -> String {
    format!("On the next page choose the account {account}: the connection belongs to it.")
}

/// Where the vendor never says which account it is, nobody here can notice another one.
pub fn account_untold(element: &str) -> String {
    format!(
        "Choose the account that the connection belongs to: {element} does not tell which one is chosen, so another one \
         would take its place unnoticed."
    )
}

pub fn able_to(organization: &str) -> String {
    format!("{organization} will be able to")
}

pub fn able_to_all(organization: &str, element: &str) -> String {
    format!("{organization} will be able to do in {element} what the page of {element} lists.")
}

pub fn able_to_by_key(organization: &str, element: &str) -> String {
    format!("{organization} will be able to do in {element} what the key allows.")
}

pub fn goes_on(element: &str) -> String {
    format!("You go on to {element}, where you sign in and agree. Then you come back here.")
}

pub fn go_to(element: &str) -> String {
    format!("Continue to {element}")
}

pub fn go_on_at(organization: &str) -> String {
    format!("Go to {organization}")
}

pub fn back_to(organization: &str) -> String {
    format!("Back to {organization}")
}

pub fn connected(element: &str) -> String {
    format!("{element} is connected")
}

pub fn connected_account(element: &str, account: Option<&str>, organization: &str) -> String {
    match account {
        Some(account) => format!("The account {account} is connected to {organization}."),
        None => format!("Your account is connected to {organization}. {element} does not tell which account that is."),
    }
}

/// In a window whose opener is told.
pub fn almost_done(organization: &str) -> Said {
    Said {
        title: "Almost done".to_owned(),
        happened: format!("{organization} finishes the connection now."),
        advice: format!(
            "If this window stays open, close it, and look at the page of {organization} whether it is done."
        ),
    }
}

/// What came back waits for the organization, and there is no way to tell it.
pub fn untold(element: &str, organization: &str) -> Said {
    Said {
        title: format!("{organization} was not told"),
        happened: format!(
            "You agreed at {element}, but from this window there is no way back to {organization}, which was to finish the \
             connection. Nothing was connected."
        ),
        advice: format!(
            "Start again from the page of {organization}, and let it open windows. If that does not help, tell {organization} \
             what is written here."
        ),
    }
}

pub fn not_confirmed(organization: &str) -> Said {
    Said {
        title: "The connection was not confirmed".to_owned(),
        happened: format!(
            "You agreed, but {organization} did not confirm in time that it was you. Nothing was connected."
        ),
        advice: format!("Sign in to {organization} in this browser first, and try again from there."),
    }
}

/// Whoever opens a link that nobody confirms must know whose it is.
pub fn made_for(customer: Option<&str>, organization: &str) -> String {
    match customer {
        Some(customer) => format!(
            "This link was made for {customer}. Go on only if that is you: the account that you choose will belong to \
             {customer} at {organization}."
        ),
        None => format!("Go on only if {organization} itself sent you this link, and nobody else did."),
    }
}

pub fn denied(element: &str, organization: &str) -> Said {
    Said {
        title: "You did not agree".to_owned(),
        happened: format!("You chose not to give {organization} access to {element}. Nothing was connected."),
        advice: "If that was a mistake, try again.".to_owned(),
    }
}

pub fn missing_scope(element: &str) -> Said {
    Said {
        title: "A permission is missing".to_owned(),
        happened: format!("{element} did not grant everything that is needed. Nothing was connected. This is missing:"),
        advice: format!(
            "Try again and agree to everything that is listed. If your account cannot grant it, ask an administrator of \
             your {element} account to open this link."
        ),
    }
}

pub fn wrong_account(element: &str, chosen: Option<&str>, expected: Option<&str>) -> Said {
    let chosen = chosen.map_or_else(|| "another account".to_owned(), |account| format!("the account {account}"));
    let expected = expected.map_or_else(|| "the one before".to_owned(), |account| format!("the account {account}"));
    Said {
        title: "That was another account".to_owned(),
        happened: format!(
            "You chose {chosen}, but the connection belongs to {expected}. It was not changed, and the new access is given \
             back."
        ),
        advice: format!("Try again, and choose {expected} in {element}. If it is not offered, sign out there first."),
    }
}

pub fn vendor_error(element: &str) -> Said {
    Said {
        title: format!("{element} did not connect"),
        happened: format!("{element} answered with an error. Nothing was connected."),
        advice: "Try again. If it happens once more, tell whoever sent you the link what is written here.".to_owned(),
    }
}

pub fn vendor_configuration(element: &str) -> Said {
    Said {
        title: format!("{element} does not accept the app"),
        happened: format!(
            "The app that connects to {element} is not set up as it must be. It is nothing that you did."
        ),
        advice: "Tell whoever sent you the link what is written here, and open the same link again later.".to_owned(),
    }
}

pub fn vendor_unavailable(element: &str) -> Said {
    Said {
        title: format!("{element} does not answer"),
        happened: format!("{element} could not be reached just now. Nothing was connected."),
        advice: "Try again in a few minutes.".to_owned(),
    }
}

pub fn under_way(element: &str) -> Said {
    Said {
        title: "Not finished yet".to_owned(),
        happened: format!("The connection with {element} is still being made. This page looks again by itself."),
        advice: "If nothing happens for a minute, start again.".to_owned(),
    }
}

/// A `Notice` with names in it.
pub struct Said {
    pub title: String,
    pub happened: String,
    pub advice: String,
}

impl From<&Notice> for Said {
    fn from(notice: &Notice) -> Self {
        let Notice { title, happened, advice } = notice;
        Self { title: (*title).to_owned(), happened: (*happened).to_owned(), advice: (*advice).to_owned() }
    }
}

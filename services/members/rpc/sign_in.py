"""RPCs for sign-in: passwords, sessions, tokens of clients, one-time links, and the caller's own account."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import grpc
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, rpc
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import NotFound, TooMany, Unauthenticated
from chassis.ids import parse_id
from chassis.rpc.client import Stubs
from chassis.rpc.methods import reads
from chassis.security.auth import TOKEN_SECONDS, Principal
from rangkiang.members.v1 import members_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire
from services.members import roles
from services.members.keys import Keys
from services.members.settings import MembersSettings
from services.members.sign_in import accounts, clients, passwords, second_factor, sessions
from services.members.sign_in.attempts import Attempts, add_account, known_device
from services.members.sign_in.sessions import SignedIn
from services.members.tables import Account, Client, Institution

SIGN_IN = system("sign-in")
# Of one card number in several institutions.
MOST_COMPARED = 3


class SignInMethods:
    """The part of the servicer for passwords and sessions."""

    def __init__(self, database: Database, keys: Keys, settings: MembersSettings, stubs: Stubs) -> None:
        self._database, self._keys, self._settings, self._stubs = database, keys, settings, stubs

    def SignIn(self, request: wire.SignInRequest, context: grpc.ServicerContext) -> wire.SignInReply:
        caller = _sign_in_context(rpc.context(context))
        # Two transactions, one on each side of the computation: with more, fifty people wait for each other's turns.
        with passwords.place():
            attempts, tried, right = self._compare_passwords(request, caller)
            new_hash = ""
            if len(right) == 1 and passwords.is_outdated(right[0].password_hash):
                # Once after an upgrade. While many people sign in, a later sign-in does it.
                with suppress(TooMany):
                    new_hash = passwords.hash_password(request.password)
            with self._database.transaction(caller) as session:
                if len(right) > 1:
                    attempts.clear(session)
                    refusal: Unauthenticated | TooMany | None = _institution_needed(session, right)
                elif not right:
                    refusal = Unauthenticated("SIGN_IN_FAILED")
                    for account in tried:
                        _record(session, caller, "members.fail_sign_in", account)
                    if not tried:
                        # A write of the same size, because the time of the write would show whether the user is known.
                        attempts.write_again(session)
                else:
                    # Locked, so that two parallel sign-ins cannot use the same code.
                    stored = session.get_one(Account, right[0].id, with_for_update=True)
                    if _was_changed(stored, right[0]):
                        refusal = Unauthenticated("SIGN_IN_FAILED")
                    else:
                        refusal = self._refusal_of_code(session, stored, request, attempts, caller)
                    if refusal is None:
                        attempts.clear(session)
                        secret, signed_in, reply = self._begin(
                            session, stored, new_hash, caller, is_shared=request.is_shared_computer
                        )
            if refusal is not None:  # now that the counts are stored
                raise refusal
        device = "" if request.is_shared_computer else add_account(self._keys.master, request.device, stored)
        return wire.SignInReply(session=secret, token=self._token(signed_in.principal), account=reply, device=device)

    def _compare_passwords(
        self, request: wire.SignInRequest, caller: Context
    ) -> tuple[Attempts, list[Account], list[Account]]:
        """Count the attempt, and compare the password with those of the user's accounts.

        returns  the counters; the accounts, three at most; and those that have this password
        raises   TooMany          SIGN_IN_PAUSED, SIGN_IN_BUSY
                 Unauthenticated  SIGN_IN_INSTITUTION_NEEDED  more than three institutions have the card number
        """
        user, master = accounts.user_name(request.user), self._keys.master
        with self._database.transaction(caller) as session:
            tried = accounts.accounts_of_user(session, user)
            count = len(tried)
            if request.institution:
                own = session.scalar(select(Institution.id).where(Institution.code == request.institution.upper()))
                tried = [account for account in tried if account.institution_id == own]
            attempts = Attempts(
                master, "password", user, address=request.address,
                device=known_device(master, request.device, tried), accounts=count, compared=len(tried),
            )  # fmt: skip
            attempts.check(session)
            if len(tried) > MOST_COMPARED:
                # Not those of the accounts, because no password was compared.
                raise Unauthenticated("SIGN_IN_INSTITUTION_NEEDED", institutions=[])
            attempts.count_failure(session)
        hashes = [account.password_hash for account in tried] or [""]
        try:
            are_right = [passwords.verify_password(password_hash, request.password) for password_hash in hashes]
        except TooMany:
            # The password was not compared. A class that signs in at once from one address must not cause a pause.
            with self._database.transaction(caller) as session:
                attempts.take_back(session)
            raise
        return attempts, tried, [account for account, is_right in zip(tried, are_right, strict=False) if is_right]

    def _refusal_of_code(
        self, session: Session, account: Account, request: wire.SignInRequest, attempts: Attempts, caller: Context
    ) -> Unauthenticated | TooMany | None:
        """Check the second factor after a right password, and mark its code as used. Returns the refusal, if any.

        Unauthenticated  TOTP_REQUIRED   the code is missing
                         TOTP_NOT_SET    a role needs a second factor that the account does not have
                         TOTP_NEW        a setting needs it, and the link of this refusal sets it up
                         SIGN_IN_FAILED  the code is wrong or was used
        TooMany          SIGN_IN_PAUSED
        """
        if not account.totp_secret:
            codes_of_roles = sessions.roles_of(session, account)
            if not roles.needs_second_factor(codes_of_roles, self._settings):
                return None
            # Nobody becomes an administrator with a password alone.
            if roles.always_needs_second_factor(codes_of_roles):
                return Unauthenticated("TOTP_NOT_SET")
            attempts.clear(session)
            _record(session, caller, "members.make_link", account)
            return Unauthenticated("TOTP_NEW", link=f"/sign-in/link/{accounts.make_link(session, account)}")
        if not request.totp:
            attempts.clear(session)
            return Unauthenticated("TOTP_REQUIRED")
        # Codes have their own counters, because a right password without a code resets the counter of passwords.
        # A known device has its own, so that who knows the password alone cannot keep its owner out.
        device = known_device(self._keys.master, request.device, [account])
        codes = Attempts(self._keys.master, "code", str(account.id), address=request.address, device=device)
        try:
            codes.check(session)
        except TooMany as pause:
            return pause
        secret = self._keys.master.open(account.totp_secret, use=f"totp/{account.id}")
        counter = second_factor.matching_counter(secret, request.totp, after=account.totp_counter)
        if counter is None:
            codes.count_failure(session)
            return Unauthenticated("SIGN_IN_FAILED")
        codes.clear(session)
        account.totp_counter = counter
        return None

    def _begin(
        self, session: Session, account: Account, new_hash: str, caller: Context, *, is_shared: bool
    ) -> tuple[str, SignedIn, wire.Account]:
        """Begin a session; replace the password's hash by `new_hash`, unless that is empty. Returns the secret too."""
        if new_hash:
            account.password_hash = new_hash
        secret, signed_in = sessions.begin_session(session, account, is_shared=is_shared)
        _record(session, caller, "members.sign_in", account, session_id=str(signed_in.session.id))
        institution = session.get_one(Institution, account.institution_id)
        return secret, signed_in, self._account(account, signed_in.roles, institution)

    def RenewToken(self, request: wire.RenewTokenRequest, context: grpc.ServicerContext) -> wire.RenewTokenReply:
        caller = _sign_in_context(rpc.context(context))
        with self._database.reading(caller) as session:
            signed_in = sessions.find_session(session, request.session, self._settings)
            institution = session.get_one(Institution, signed_in.account.institution_id)
            account = self._account(signed_in.account, signed_in.roles, institution)
        if sessions.is_seen_due(signed_in.session):
            with self._database.transaction(caller) as session:
                sessions.mark_seen(session, signed_in.session.id)
        return wire.RenewTokenReply(token=self._token(signed_in.principal), account=account)

    def SignOut(self, request: wire.SignOutRequest, context: grpc.ServicerContext) -> wire.SignOutReply:
        caller = _sign_in_context(rpc.context(context))
        with self._database.transaction(caller) as session:
            account_id = sessions.end_session(session, request.session)
            if account_id is not None:
                _record(session, caller, "members.sign_out", session.get_one(Account, account_id))
        return wire.SignOutReply()

    def IssueToken(self, request: wire.IssueTokenRequest, context: grpc.ServicerContext) -> wire.IssueTokenReply:
        caller = _sign_in_context(rpc.context(context))
        with self._database.reading(caller) as session:
            client = clients.check_client(session, request.client_id, request.client_secret)
            principal = clients.principal_of(client, request.scope)
        if clients.is_use_due(client):
            with self._database.transaction(caller) as session:
                clients.mark_used(session, client.id)
        return wire.IssueTokenReply(token=self._token(principal), scope=" ".join(sorted(principal.scopes)))

    def RevokeToken(self, request: wire.RevokeTokenRequest, context: grpc.ServicerContext) -> wire.RevokeTokenReply:
        caller = _sign_in_context(rpc.context(context))
        with self._database.transaction(caller) as session:
            client = clients.check_client(session, request.client_id, request.client_secret)
            if clients.revoke_token(session, client, request.token):
                acting = replace(
                    caller, actor=str(client.id), institution=str(client.institution_id), session=str(client.id)
                )
                audit.record(session, acting, "members.revoke_token", kind="client", object_id=client.id)
        return wire.RevokeTokenReply()

    def GetLink(self, request: wire.GetLinkRequest, context: grpc.ServicerContext) -> wire.GetLinkReply:
        with self._database.transaction(_sign_in_context(rpc.context(context))) as session:
            link, account = accounts.open_link(session, request.link, lock=True)
            institution = session.get_one(Institution, account.institution_id)
            needs_totp = roles.needs_second_factor(sessions.roles_of(session, account), self._settings)
            totp_uri = ""
            if needs_totp and not request.is_repeat:
                totp_uri = accounts.offer_second_factor(session, link, account, master=self._keys.master)
            return wire.GetLinkReply(
                user=account.user,
                name=account.name,
                institution=institution.code,
                totp_uri=totp_uri,
                needs_totp=needs_totp,
            )

    def UseLink(self, request: wire.UseLinkRequest, context: grpc.ServicerContext) -> wire.UseLinkReply:
        caller = _sign_in_context(rpc.context(context))
        with self._database.reading(caller) as session:
            _, account = accounts.open_link(session, request.link)
        accounts.check_password_for(account, request.password)
        with passwords.place():
            password_hash = passwords.hash_password(request.password)
        with self._database.transaction(caller) as session:
            account = accounts.use_link(
                session,
                request.link,
                password_hash=password_hash,
                totp=request.totp,
                master=self._keys.master,
                settings=self._settings,
            )
            _record(session, caller, "members.use_link", account)
        return wire.UseLinkReply(user=account.user)

    @reads
    def GetAccount(
        self, _request: members_pb2.GetAccountRequest, session: Session, caller: Context
    ) -> members_pb2.GetAccountReply:
        account = session.get(Account, parse_id(caller.actor))
        if account is not None:
            institution = session.get_one(Institution, account.institution_id)
            reply = self._account(account, sessions.roles_of(session, account), institution)
        else:
            client = session.get(Client, parse_id(caller.actor))
            if client is None:
                raise NotFound("ACCOUNT_NOT_FOUND")
            institution = session.get_one(Institution, client.institution_id)
            reply = wire.Account(
                id=str(client.id),
                user=client.name,
                name=client.name,
                institution=institution.code,
                roles=[client.role],
                scopes=sorted(caller.scopes),
            )
        return members_pb2.GetAccountReply(account=reply)

    def ChangePassword(
        self, request: members_pb2.ChangePasswordRequest, context: grpc.ServicerContext
    ) -> members_pb2.ChangePasswordReply:
        caller = rpc.context(context)
        with self._database.reading(caller) as session:
            account = session.get(Account, parse_id(caller.actor))
        if account is None:
            raise NotFound("ACCOUNT_NOT_FOUND")
        attempts = Attempts(self._keys.master, "change", str(account.id), address="")
        with passwords.place():
            with self._database.transaction(caller) as session:
                attempts.check(session)
                attempts.count_failure(session)
            if not passwords.verify_password(account.password_hash, request.password):
                raise Unauthenticated("PASSWORD_WRONG")
            accounts.check_password_for(account, request.new_password)
            password_hash = passwords.hash_password(request.new_password)
        with self._database.transaction(caller) as session:
            stored = session.get_one(Account, account.id, with_for_update=True)
            if _was_changed(stored, account):
                raise Unauthenticated("PASSWORD_WRONG")
            attempts.clear(session)
            accounts.store_password(session, stored, password_hash, keep=parse_id(caller.session))
            _record(session, caller, "members.change_password", stored)
        return members_pb2.ChangePasswordReply()

    def _token(self, principal: Principal) -> wire.AccessToken:
        return wire.AccessToken(token=self._keys.sign(principal), expires_in_seconds=TOKEN_SECONDS)

    def _account(self, account: Account, codes: tuple[str, ...], institution: Institution) -> wire.Account:
        return wire.Account(
            id=str(account.id),
            user=account.user,
            name=account.name,
            institution=institution.code,
            roles=codes,
            scopes=sorted(roles.scopes_of(codes)),
            member_id=str(account.id) if account.is_member else "",
            has_second_factor=bool(account.totp_secret),
        )


def _was_changed(stored: Account, compared: Account) -> bool:
    """Return whether the account was closed or its password changed while a hash was computed."""
    return bool(stored.closed_at) or not stored.password_hash or stored.password_at != compared.password_at


def _institution_needed(session: Session, found: Sequence[Account]) -> Unauthenticated:
    """Return the refusal that names the institutions of these accounts."""
    codes = select(Institution.code).where(Institution.id.in_([account.institution_id for account in found]))
    return Unauthenticated("SIGN_IN_INSTITUTION_NEEDED", institutions=sorted(session.scalars(codes)))


def _record(session: Session, caller: Context, act: str, account: Account, *, session_id: str = "") -> None:
    """Record an act of the account's owner."""
    context = replace(
        caller, actor=str(account.id), institution=str(account.institution_id), session=session_id or caller.session
    )
    audit.record(session, context, act, kind="account", object_id=account.id)


def _sign_in_context(caller: Context) -> Context:
    """Return the context of a caller who is not signed in; it can read the accounts of every institution."""
    return replace(caller, institution=SIGN_IN.institution, actor=SIGN_IN.actor)

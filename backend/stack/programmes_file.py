"""The programmes that a deployment begins with, as a TOML file: terms for the chain, profile for the database."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backend.chain.deploy import ExchangePlan, ProgrammePlan
from backend.chain.deploy_crosschain import CrosschainPlan
from backend.chain.manifest import AddressText, TermsEntry
from backend.programmes.service import ProgrammeProfile
from backend.stack.errors import StackError

DAY_SECONDS = 86_400
HOUR_SECONDS = 3_600


class ProgrammesFileError(StackError):
    """The programmes file cannot be used."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"The programmes file {path} cannot be used: {problem}")
        self.path = path
        self.problem = problem


class ProgrammeDraft(BaseModel):
    """One `[[programme]]`. The terms, up to `transferable`, cannot be changed once deployed; the cap can."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")
    name: str = Field(min_length=1, max_length=31)
    symbol: str = Field(min_length=1, max_length=11)
    epoch_length_days: int = Field(default=30, ge=1)
    validity_epochs: int = Field(default=12, ge=0, le=29)
    clawback_epochs: int = Field(default=2, ge=0)
    supply_cap_points: int = Field(default=10**12, ge=0, lt=1 << 48)
    transferable: bool = True
    issuer: AddressText | None = None
    custodian: AddressText | None = None
    treasurer: AddressText | None = None
    quoter: AddressText | None = None
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    colour: str = Field(default="#2f5d50", pattern=r"^#[0-9a-fA-F]{6}$")
    earn_points: int = Field(default=1, ge=0)
    earn_per_minor: int = Field(default=100, ge=1)
    return_period_days: int = Field(default=0, ge=0)
    home_chain_id: int = Field(default=0, ge=0)
    """Chain where the programme's points live, when this is its branch on another; 0: it is at home here."""

    def profile(self) -> ProgrammeProfile:
        """What the database keeps."""
        return ProgrammeProfile(
            currency=self.currency,
            earn_points=self.earn_points,
            earn_per_minor=self.earn_per_minor,
            return_period_seconds=self.return_period_days * DAY_SECONDS,
            colour=self.colour,
        )

    def plan(self, issuer: bytes, custodian: bytes) -> ProgrammePlan:
        """What goes on chain; the accounts are those of the file, or else these."""
        terms = TermsEntry(
            epoch_length_seconds=self.epoch_length_days * DAY_SECONDS,
            validity_epochs=self.validity_epochs,
            clawback_epochs=self.clawback_epochs,
            supply_cap_points=self.supply_cap_points,
            transferable=self.transferable,
        )
        return ProgrammePlan(
            slug=self.slug,
            name=self.name,
            symbol=self.symbol,
            terms=terms,
            issuer=_account(self.issuer) or issuer,
            custodian=_account(self.custodian) or custodian,
            treasurer=_account(self.treasurer),
            quoter=_account(self.quoter),
            home_chain_id=self.home_chain_id,
        )


class ClearingDraft(BaseModel):
    """`[clearing]`: with it the deployment has an exchange. Nothing but the keeper can be changed once deployed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    currency: AddressText | None = None
    """An ERC-20; a local chain gets a test dollar when there is none."""
    currency_code: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    cycle_days: int = Field(default=30, ge=1, le=366)
    payment_days: int = Field(default=7, ge=1, le=366)
    notice_hours: int = Field(default=48, ge=0, le=24 * 366)
    keeper: AddressText | None = None

    def plan(self, keeper: bytes | None) -> ExchangePlan:
        """What goes on chain; the keeper is that of the file, or else this one. Raises StackError without either."""
        account = _account(self.keeper) or keeper
        if account is None:
            raise StackError("The clearing needs a keeper in the programmes file.")
        return ExchangePlan(
            keeper=account,
            currency=_account(self.currency),
            currency_code=self.currency_code,
            cycle_seconds=self.cycle_days * DAY_SECONDS,
            payment_seconds=self.payment_days * DAY_SECONDS,
            notice_period_seconds=self.notice_hours * HOUR_SECONDS,
        )


class CrosschainDraft(BaseModel):
    """`[crosschain]`: with it the deployment has a gateway to other chains, and an exchange with programmes there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attesters: tuple[AddressText, ...] = Field(min_length=2, max_length=32)
    threshold: int = Field(ge=2)
    """How many attesters must sign; at least two thirds of them."""
    rotation_delay_hours: int = Field(default=48, ge=0, le=24 * 366)
    """Time between the proposal of other attesters and their coming into force."""
    notice_hours: int = Field(default=48, ge=0, le=24 * 366)
    """Notice of changes to lanes across chains."""
    guardian: AddressText | None = None
    """Halts lanes; the deploying account when left out."""
    attester_admin: AddressText | None = None
    """Proposes other attesters; the deploying account when left out."""

    @model_validator(mode="after")
    def _check_attesters(self) -> CrosschainDraft:
        count = len(set(self.attesters))
        if count != len(self.attesters):
            raise ValueError("an attester is named twice")
        if not 2 * count <= 3 * self.threshold <= 3 * count:
            raise ValueError("at least two thirds of the attesters must sign, and not more than there are")
        return self

    def plan(self) -> CrosschainPlan:
        """What goes on chain."""
        return CrosschainPlan(
            attesters=[bytes.fromhex(attester[2:]) for attester in self.attesters],
            threshold=self.threshold,
            rotation_delay_seconds=self.rotation_delay_hours * HOUR_SECONDS,
            notice_period_seconds=self.notice_hours * HOUR_SECONDS,
            guardian=_account(self.guardian),
            attester_admin=_account(self.attester_admin),
        )


def _account(address: str | None) -> bytes | None:
    return bytes.fromhex(address[2:]) if address else None


class ProgrammesFile(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    programme: tuple[ProgrammeDraft, ...] = Field(min_length=1)
    clearing: ClearingDraft | None = None
    crosschain: CrosschainDraft | None = None

    @model_validator(mode="after")
    def _check_clearing(self) -> ProgrammesFile:
        if self.crosschain is not None and self.clearing is None:
            raise ValueError("[crosschain] needs [clearing]: swaps across chains are cleared like others")
        if self.crosschain is None and any(draft.home_chain_id for draft in self.programme):
            raise ValueError("a programme with its home on another chain needs [crosschain]")
        return self

    @classmethod
    def load(cls, path: Path, crosschain: CrosschainDraft | None = None) -> ProgrammesFile:
        """Read a file; with `crosschain` it must not have such a section itself.

        Raises ProgrammesFileError with the first problem in it.
        """
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
            if crosschain is not None:
                if "crosschain" in content:
                    raise ProgrammesFileError(path, "local chains have their own attesters: leave [crosschain] out.")
                content = {"clearing": {}, **content, "crosschain": crosschain.model_dump()}
            return cls.model_validate(content)
        except OSError as error:
            raise ProgrammesFileError(path, f"{error.strerror or error}.") from error
        except tomllib.TOMLDecodeError as error:
            raise ProgrammesFileError(path, f"it is not TOML ({error}).") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            told = first["msg"].removeprefix("Value error, ")
            raise ProgrammesFileError(path, f"{where}: {told}." if where else f"{told}.") from error


def plans(drafts: Sequence[ProgrammeDraft], accounts: Sequence[bytes]) -> list[ProgrammePlan]:
    """Plans whose issuers and custodians, where the file names none, are `accounts` in turn: one of each a programme.

    Raises StackError when accounts are needed and there are none.
    """
    pairs = list(zip(accounts[0::2], accounts[1::2], strict=False))
    found = []
    for number, draft in enumerate(drafts):
        if not pairs and not (draft.issuer and draft.custodian):
            raise StackError(f"The programme {draft.slug} needs an issuer and a custodian in the programmes file.")
        found.append(draft.plan(*(pairs[number % len(pairs)] if pairs else (b"", b""))))
    return found

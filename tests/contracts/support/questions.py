"""Many view calls in one request, so that a test can afford to compare everything after every step."""

from brownie import web3

from tests.contracts.support.outcomes import plain

Question = tuple[str, *tuple[object, ...]]
"""Name of a view function, then its arguments."""


def answers(contract: object, questions: list[Question]) -> list[object]:
    """The decoded answers in the order of the questions, all of the latest block."""
    return answers_of_all([(contract, *question) for question in questions])


def answers_of_all(asked: list[tuple[object, *Question]]) -> list[object]:
    """The same with a contract before each question, for several contracts at once.

    No questions, no answers: an empty batch is a faulty request to a node, and it answers with an error.
    """
    if not asked:
        return []
    functions = [getattr(contract, name) for contract, name, *_ in asked]
    requests = [
        ("eth_call", [{"to": contract.address, "data": function.encode_input(*arguments)}, "latest"])
        for function, (contract, _, *arguments) in zip(functions, asked, strict=True)
    ]
    responses = web3.provider.make_batch_request(requests)
    return [
        plain(function.decode_output(response["result"]))
        for function, response in zip(functions, responses, strict=True)
    ]

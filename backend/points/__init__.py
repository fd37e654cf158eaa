"""Points: events, accruals, batches, redemptions, refunds, returns, balances, history, receipts."""

namespace Shop.Orders;

/// <summary>What <c>GET /summary</c> answers.</summary>
internal sealed record OrdersSummary(long Orders, long Confirmed, long Rejected, long Cents);

namespace Shop.Orders;

/// <summary>What <c>GET /summary</c> answers.</summary>
internal sealed record OrdersSummary(long Orders, long Reserved, long Cents);

namespace Broker.Dashboard.Security;

/// <summary>Somebody who may log in with a password.</summary>
/// <param name="Name">Their name.</param>
/// <param name="PasswordHash">What <c>broker dashboard hash-password</c> printed.</param>
/// <param name="Role">One of <see cref="DashboardRoles"/>.</param>
internal sealed record DashboardUser(string Name, string PasswordHash, string Role);

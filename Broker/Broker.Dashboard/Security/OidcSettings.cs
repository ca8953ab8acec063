namespace Broker.Dashboard.Security;

/// <summary>Single sign-on by OpenID Connect: <c>Broker:Dashboard:Oidc</c>.</summary>
/// <param name="Authority">The provider.</param>
/// <param name="ClientId">Who the dashboard is to it.</param>
/// <param name="ClientSecret">How it proves that. Never logged.</param>
/// <param name="RoleClaim">The claim that says what somebody may do.</param>
/// <param name="OperatorRole">Its value for operators.</param>
/// <param name="ReadOnlyRole">Its value for those who only look; null: nobody but operators comes in.</param>
internal sealed record OidcSettings(string Authority, string ClientId, string ClientSecret, string RoleClaim, string OperatorRole, string? ReadOnlyRole);

using System.Security.Claims;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OpenIdConnect;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;

namespace Broker.Dashboard.Security;

/// <summary>Log-in at an OpenID Connect provider, by code and PKCE, and a session in a cookie.</summary>
internal static class OidcAuthentication
{
    private static readonly string[] NameClaims = ["preferred_username", "email", "name", "sub"];
    private static readonly TimeSpan Session = TimeSpan.FromHours(8);

    /// <summary>Adds it as the only way in.</summary>
    public static void Add(IServiceCollection services, OidcSettings settings) => services
        .AddAuthentication(authentication =>
        {
            authentication.DefaultScheme = CookieAuthenticationDefaults.AuthenticationScheme;
            authentication.DefaultChallengeScheme = OpenIdConnectDefaults.AuthenticationScheme;
        })
        .AddCookie(cookie =>
        {
            cookie.Cookie.Name = "broker-session";
            cookie.Cookie.HttpOnly = true;
            // Lax: the provider sends people back from another site. What changes something needs a token besides.
            cookie.Cookie.SameSite = SameSiteMode.Lax;
            cookie.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
            cookie.ExpireTimeSpan = Session;
            cookie.SlidingExpiration = false;
            cookie.Events.OnRedirectToAccessDenied = context => Refuse(context.HttpContext, StatusCodes.Status403Forbidden);
        })
        .AddOpenIdConnect(oidc =>
        {
            oidc.Authority = settings.Authority;
            oidc.ClientId = settings.ClientId;
            oidc.ClientSecret = settings.ClientSecret;
            oidc.RequireHttpsMetadata = new Uri(settings.Authority).Scheme == Uri.UriSchemeHttps;
            oidc.ResponseType = OpenIdConnectResponseType.Code;
            // By a redirect of the browser, so that a cookie that is not sent across sites is there when it comes back.
            oidc.ResponseMode = OpenIdConnectResponseMode.Query;
            oidc.UsePkce = true;
            oidc.MapInboundClaims = false;
            oidc.GetClaimsFromUserInfoEndpoint = true;
            oidc.ClaimActions.MapJsonKey(settings.RoleClaim, settings.RoleClaim);
            oidc.TokenValidationParameters.NameClaimType = "preferred_username";
            foreach (var cookie in new[] { oidc.CorrelationCookie, oidc.NonceCookie })
                (cookie.SameSite, cookie.SecurePolicy) = (SameSiteMode.Lax, CookieSecurePolicy.SameAsRequest);
            oidc.Events.OnRedirectToIdentityProvider = context =>
            {
                // A script cannot follow there; the page tells its user to load it again.
                if (HttpMethods.IsGet(context.Request.Method) && (context.Request.Headers.Accept.Count == 0 || context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase)))
                    return Task.CompletedTask;
                context.HandleResponse();
                return Refuse(context.HttpContext, StatusCodes.Status401Unauthorized);
            };
            oidc.Events.OnTicketReceived = context =>
            {
                context.Principal = new ClaimsPrincipal(IdentityOf(context.Principal!, settings));
                return Task.CompletedTask;
            };
            oidc.Events.OnRemoteFailure = context =>
            {
                context.HandleResponse();
                return Refuse(context.HttpContext, StatusCodes.Status401Unauthorized);
            };
        });

    /// <summary>What the session keeps of somebody: name and role, and nothing else that the provider said.</summary>
    internal static ClaimsIdentity IdentityOf(ClaimsPrincipal principal, OidcSettings settings)
    {
        var name = NameClaims.Select(principal.FindFirstValue).FirstOrDefault(n => !string.IsNullOrEmpty(n)) ?? "";
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, name), new Claim(ClaimTypes.NameIdentifier, principal.FindFirstValue("sub") ?? name)], "Oidc");
        var roles = principal.FindAll(settings.RoleClaim).Select(c => c.Value).ToList();
        if (roles.Contains(settings.OperatorRole, StringComparer.Ordinal))
            identity.AddClaim(new Claim(ClaimTypes.Role, DashboardRoles.Operator));
        else if (settings.ReadOnlyRole is { } readOnly && roles.Contains(readOnly, StringComparer.Ordinal))
            identity.AddClaim(new Claim(ClaimTypes.Role, DashboardRoles.ReadOnly));
        return identity;
    }

    private static Task Refuse(HttpContext http, int status)
    {
        http.Response.StatusCode = status;
        return Task.CompletedTask;
    }
}

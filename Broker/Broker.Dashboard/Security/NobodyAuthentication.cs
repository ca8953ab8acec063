using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Broker.Dashboard.Security;

/// <summary>Lets nobody in, and says what to configure: as long as nobody has said who may come in, nobody may, from no address.</summary>
internal sealed class NobodyAuthentication(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    /// <summary>The scheme's name.</summary>
    public const string Name = "Nobody";

    private const string Page = """
        <!DOCTYPE html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Nobody may come in yet</title></head>
        <body><h1>Nobody may come in yet</h1>
        <p>The dashboard is refused to everyone until the worker's configuration says who may see it. Add a user, and start the worker again:</p>
        <pre>{ "Broker": { "Dashboard": { "Users": { "ada": { "PasswordHash": "…", "Role": "Operator" } } } } }</pre>
        <p><code>broker dashboard hash-password</code> makes the hash. For single sign-on set <code>Broker:Dashboard:Oidc</code>. See docs/security.md.</p>
        </body></html>
        """;

    protected override Task<AuthenticateResult> HandleAuthenticateAsync() => Task.FromResult(AuthenticateResult.NoResult());

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.StatusCode = StatusCodes.Status403Forbidden;
        Response.ContentType = "text/html; charset=utf-8";
        return Response.WriteAsync(Page, Context.RequestAborted);
    }
}

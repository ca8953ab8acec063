using System.Net.Http.Headers;
using System.Security.Claims;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Broker.Dashboard.Security;

/// <summary>Log-in by name and password as a browser asks for them (RFC 7617). For small set-ups, and over TLS.</summary>
internal sealed class BasicAuthentication(LogIns logIns, IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    /// <summary>The scheme's name.</summary>
    public const string Name = "Basic";

    private const int LongestHeader = 2_048;

    private TimeSpan _wait;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (Credentials() is not { } credentials)
            return AuthenticateResult.NoResult();
        var address = Context.Connection.RemoteIpAddress?.ToString() ?? "";
        var (user, wait) = await logIns.TryAsync(credentials.Name, credentials.Password, address, Context.RequestAborted).ConfigureAwait(false);
        _wait = wait;
        if (user is null)
        {
            // What is not looked at is not logged either: the log would grow with the attack.
            if (wait <= TimeSpan.Zero)
                Log.LogInRefused(Logger, address, "wrong name or password");
            return AuthenticateResult.Fail("Wrong name or password.");
        }
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, user.Name), new Claim(ClaimTypes.NameIdentifier, user.Name), new Claim(ClaimTypes.Role, user.Role)], Name);
        return AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Name));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        if (_wait > TimeSpan.Zero)
        {
            Response.StatusCode = StatusCodes.Status429TooManyRequests;
            Response.Headers.RetryAfter = ((int)Math.Ceiling(_wait.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        }
        Response.StatusCode = StatusCodes.Status401Unauthorized;
        Response.Headers.WWWAuthenticate = "Basic realm=\"broker\", charset=\"UTF-8\"";
        return Task.CompletedTask;
    }

    private (string Name, string Password)? Credentials()
    {
        if (Request.Headers.Authorization is not [{ Length: <= LongestHeader } header] || !AuthenticationHeaderValue.TryParse(header, out var value)
            || !string.Equals(value.Scheme, Name, StringComparison.OrdinalIgnoreCase) || value.Parameter is null)
            return null;
        var bytes = new byte[value.Parameter.Length];
        if (!Convert.TryFromBase64String(value.Parameter, bytes, out var length))
            return null;
        var text = Encoding.UTF8.GetString(bytes, 0, length);
        return text.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon ? (text[..colon], text[(colon + 1)..]) : null;
    }
}

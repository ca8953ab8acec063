using Broker.Dashboard.Security;
using Broker.Dashboard.Snapshots;
using Hangfire;
using Hangfire.Dashboard;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace Broker.Dashboard;

/// <summary>Brings the dashboard into the worker's host.</summary>
internal static class DashboardServices
{
    /// <summary>Adds what the dashboard needs. Hangfire and an <see cref="IDashboardSources"/> have to be added too.</summary>
    public static IServiceCollection AddBrokerDashboard(this IServiceCollection services, DashboardSettings settings)
    {
        services.AddSingleton(settings);
        services.AddSingleton(new PayloadView(settings.Mask));
        var protection = services.AddDataProtection().SetApplicationName("broker");
        if (settings.KeyFolder is { } folder)
            protection.PersistKeysToFileSystem(new DirectoryInfo(folder));
        else
            protection.UseEphemeralDataProtectionProvider();
        services.AddAntiforgery(antiforgery =>
        {
            antiforgery.Cookie.Name = "broker-antiforgery";
            antiforgery.Cookie.SameSite = SameSiteMode.Strict;
            antiforgery.Cookie.SecurePolicy = CookieSecurePolicy.SameAsRequest;
        });
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<SnapshotService>();
        services.AddHostedService(provider => provider.GetRequiredService<SnapshotService>());
        services.AddSingleton<SourceQueries>();
        if (settings.Oidc is { } oidc)
        {
            OidcAuthentication.Add(services, oidc);
        }
        else if (settings.Users.Count > 0)
        {
            services.AddSingleton(new LogInThrottle(TimeProvider.System));
            services.AddSingleton<LogIns>();
            services.AddAuthentication(BasicAuthentication.Name).AddScheme<AuthenticationSchemeOptions, BasicAuthentication>(BasicAuthentication.Name, null);
        }
        else
        {
            services.AddAuthentication(NobodyAuthentication.Name).AddScheme<AuthenticationSchemeOptions, NobodyAuthentication>(NobodyAuthentication.Name, null);
        }
        services.AddAuthorizationBuilder().AddPolicy(DashboardRoles.Policy, policy => policy.RequireAuthenticatedUser().RequireRole(DashboardRoles.Operator, DashboardRoles.ReadOnly));
        return services;
    }

    /// <summary>Serves the dashboard. Comes after <c>UseRouting</c> and what the whole host needs before.</summary>
    public static void MapBrokerDashboard(this WebApplication app)
    {
        DashboardRegistration.Register();
        if (!app.Services.GetRequiredService<DashboardSettings>().IsOpenToSomebody)
            Log.NobodyMayComeIn(app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Broker.Dashboard"));
        app.UseAuthentication();
        app.UseAuthorization();
        app.UseWhen(http => http.Request.Path.StartsWithSegments(DashboardSettings.Path, StringComparison.OrdinalIgnoreCase), dashboard => dashboard.UseMiddleware<DashboardGate>().UseMiddleware<JobStorageGate>());
        app.MapGet("/", () => Results.Redirect(DashboardSettings.Path + Pages.BrokerRoutes.Prefix)).RequireAuthorization(DashboardRoles.Policy);
        app.MapHangfireDashboardWithAuthorizationPolicy(DashboardRoles.Policy, DashboardSettings.Path, new DashboardOptions
        {
            AppPath = null,
            DashboardTitle = "Broker",
            DisplayStorageConnectionString = false,
            IsReadOnlyFunc = context => !context.GetHttpContext().User.IsInRole(DashboardRoles.Operator),
        });
    }
}
